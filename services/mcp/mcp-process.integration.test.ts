import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => startProductHarness({ MCP_COPIES: '1', MCP_PORT: '0' }));
beforeAll(async () => {
  await queryRows(harness.databaseUrl)`
    UPDATE oauth_clients SET credential_scopes = array_append(credential_scopes, 'compliance:manage')
    WHERE "clientId" = ${harness.product.credentials.client.client_id}`;
});

const streamed = ({ bearer, headers, json }: ReturnType<typeof call>): RequestInit => ({
  method: 'POST',
  headers: { ...headers, authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
  body: JSON.stringify(json),
});

const mcpUrl = (): string => harness.product.ready.mcp as string;

async function connect(): Promise<Client> {
  const form = { grant_type: 'client_credentials', resource: mcpUrl(), scope: 'keys:read audit:read' };
  const { body } = await send(harness.product.api, 'POST', '/oauth2/token', { ...harness.byClient, form });
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const authProvider = { token: async () => body.access_token as string };
  await client.connect(new StreamableHTTPClientTransport(new URL(mcpUrl()), { authProvider }));
  return client;
}

test('a start names its MCP server, which the demo client uses with a token for that address', async () => {
  const client = await connect();
  expect(client.getProtocolEra()).toBe('modern');
  const { structuredContent } = await client.callTool({ name: 'list_signing_keys', arguments: {} });
  expect(structuredContent).toMatchObject({ keys: [{ state: 'active' }] });
  await client.close();
  const { text } = await send(harness.product.metrics, 'GET', '');
  expect(text).toMatch(/process="mcp-1"/);
});

test('the API serves while the MCP server is killed, and the MCP server comes back at its address', async () => {
  process.kill(harness.product.ready.pids.mcp as number, 'SIGKILL');
  const { user } = harness.product.credentials;
  const json = { email: user.email, password: user.password };
  expect((await send(harness.product.api, 'POST', '/api/auth/signin', { json })).status).toBe(200);
  await eventually('the MCP server', async () => {
    const state = await fetch(mcpUrl().replace('/mcp', '/readyz')).catch(() => undefined);
    return state?.status === 200 ? true : undefined;
  });
  await (await connect()).close();
  await harness.expectUnharmed();
});

/** A token that may begin tasks; copies learn of the new scope within seconds. */
const taskToken = (): Promise<string> =>
  eventually('a token for tasks', async () => {
    const form = { grant_type: 'client_credentials', resource: mcpUrl(), scope: 'compliance:manage' };
    const { status, body } = await send(harness.product.api, 'POST', '/oauth2/token', { ...harness.byClient, form });
    return status === 200 && (body.access_token as string);
  });

const READ = 'io.modelcontextprotocol';
const call = (name: string, args: object, token: string, progressToken?: string) => ({
  bearer: token,
  headers: {
    ...{ accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2026-07-28' },
    ...{ 'mcp-method': 'tools/call', 'mcp-name': name },
  },
  json: {
    ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
    params: {
      ...{ name, arguments: args },
      _meta: {
        [`${READ}/protocolVersion`]: '2026-07-28',
        [`${READ}/clientInfo`]: { name: 'test', version: '1' },
        [`${READ}/clientCapabilities`]: {},
        ...(progressToken === undefined ? {} : { progressToken }),
      },
    },
  },
});

test('an open answer of the API at /mcp is whole when the API is told to stop, and its task is read at the next API', async () => {
  const token = await taskToken();
  const { api } = harness.product;
  const begun = await eventually('a task', async () => {
    const { status, body } = await send(api, 'POST', '/mcp', call('request_compliance_report', {}, token));
    expect([200, 503]).toContain(status);
    return body.result?.structuredContent;
  });
  const { task_id } = begun as { task_id: string };
  const followed = fetch(`${api}/mcp`, streamed(call('read_task', { task_id }, token, 'p')));
  const reader = (await followed).body!.getReader();
  const decoder = new TextDecoder();
  let text = decoder.decode((await reader.read()).value);
  expect(text).toContain('notifications/progress');
  const pid = harness.product.apiPid() as number;
  process.kill(pid, 'SIGTERM');
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += decoder.decode(part.value);
  expect(text).toMatch(/"structuredContent":.*"status":"working"/s);
  expect(text).toContain(task_id);
  const resumed = await eventually('the next API', async () => {
    const again = await send(api, 'POST', '/mcp', call('read_task', { task_id }, token)).catch(() => null);
    return harness.product.apiPid() !== pid && again?.status === 200 && again.body.result;
  });
  expect(resumed.structuredContent).toMatchObject({ task_id, status: 'working' });
});

test('the API serves while a table of MCP is locked; MCP in its process answers 503, and goes on afterwards', async () => {
  const token = await taskToken();
  const { api, credentials } = harness.product;
  const callTool = async (name: string, args: object) =>
    (await send(api, 'POST', '/mcp', call(name, args, token))).body.result.structuredContent;
  const { task_id } = await callTool('request_compliance_report', {});
  const holder = new pg.Client({ connectionString: harness.databaseUrl });
  await holder.connect();
  try {
    await holder.query('BEGIN; LOCK TABLE mcp_tasks IN ACCESS EXCLUSIVE MODE');
    expect(await callTool('read_task', { task_id })).toMatchObject({ status: 503 });
    const { email, password } = credentials.user;
    expect((await send(api, 'POST', '/api/auth/signin', { json: { email, password } })).status).toBe(200);
  } finally {
    await holder.end();
  }
  expect(await callTool('read_task', { task_id })).toMatchObject({ task_id });
});
