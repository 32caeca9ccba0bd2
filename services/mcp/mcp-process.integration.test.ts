import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '#testing/eventually.ts';
import { type ProductHarness, startProductHarness } from '#testing/harness/product.ts';
import { send } from '#testing/http-client.ts';

let harness: ProductHarness;
beforeAll(async () => {
  harness = await startProductHarness({ MCP_COPIES: '1', MCP_PORT: '0' });
});
afterAll(() => harness?.close());

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
