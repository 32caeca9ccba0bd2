import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { loadList } from '../modules.ts';
import { needOfTasks, taskToolsOf } from './task-shapes.ts';
import { plainToolsOf } from './task-tools.ts';
import { toolsOf } from './tools.ts';

const tools = await toolsOf({ leftOut: [] });
const kinds = await loadList('tasks');
const every = [...tools, ...taskToolsOf(kinds), ...plainToolsOf(needOfTasks(kinds))];

let client: Client;
const PERMISSIONS = `audit:read compliance:manage compliance:read incidents:read keys:manage keys:read signoffs:read
  tokens:read`.split(/\s+/);

/** The whole product with a worker, and the client of the official SDK. */
const harness = opened(() => startProductHarness({ MCP_COPIES: '1', MCP_PORT: '0', WORKER_COPIES: '1' }));
beforeAll(async () => {
  const { client: demo } = harness.product.credentials;
  await queryRows(harness.databaseUrl)`UPDATE oauth_clients SET credential_scopes = ${PERMISSIONS}
    WHERE "clientId" = ${demo.client_id}`;
  const mcp = harness.product.ready.mcp as string;
  const form = { grant_type: 'client_credentials', resource: mcp, scope: PERMISSIONS.join(' ') };
  const token = await eventually('a token with the new scopes', async () => {
    const { status, body } = await send(harness.product.api, 'POST', '/oauth2/token', { ...harness.byClient, form });
    return status === 200 ? String(body.access_token) : undefined;
  });
  client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const authProvider = { token: async () => token };
  await client.connect(new StreamableHTTPClientTransport(new URL(mcp), { authProvider }));
});
afterAll(() => client?.close());

type Step = { readonly progress: number; readonly total?: number | undefined; readonly message?: string | undefined };

test('a client that asks for progress hears each step of a report, and gets the report in the same call', async () => {
  const steps: Step[] = [];
  const follow = async (name: string, input: object): Promise<Json> => {
    const asked = { name, arguments: { ...input } };
    const { structuredContent } = await client.callTool(asked, { onprogress: (step) => steps.push(step) });
    return structuredContent;
  };
  let answered = await follow('request_compliance_report', {});
  // On a machine that is too busy for the time limit of a call.
  while (answered.status === 'working') answered = await follow('read_task', { task_id: answered.task_id });
  const told = steps.map(({ message }) => message);
  expect(told[0]).toBe('The report is queued.');
  expect(told).toContain('Sealing the evidence.');
  expect(told.at(-1)).toBe('The report is ready.');
  const percents = steps.map(({ progress }) => Math.floor(progress));
  expect([percents, steps.at(-1)?.progress]).toEqual([[...percents].sort((one, other) => one - other), 100]);
  expect(answered).toMatchObject({ status: 'completed', is_error: false, result: { status: 'done' } });
});

test('a client that does not ask gets the task at once', async () => {
  const { structuredContent } = await client.callTool({ name: 'request_compliance_report', arguments: {} });
  expect(structuredContent).toMatchObject({ status: 'working', next: expect.stringContaining('read_task') });
});

/** Arguments of tools that need some, from earlier answers. */
async function argumentsOf(name: string): Promise<Json> {
  const read = async (tool: string, input: object = {}): Promise<Json> =>
    (await client.callTool({ name: tool, arguments: { ...input } })).structuredContent;
  switch (name) {
    case 'read_audit_event':
    case 'prove_audit_event':
      return { seq: 0 };
    case 'read_incident':
      return { incident_id: (await read('list_incidents')).incidents[0].incident_id };
    case 'read_compliance_report':
      return { report_id: (await queryRows(harness.databaseUrl)`SELECT id FROM compliance_reports LIMIT 1`)[0]?.id };
    case 'read_task':
    case 'cancel_task':
      return { task_id: (await read('request_compliance_report')).task_id };
    default:
      return {};
  }
}

test('what every tool really answers has the shape that it declares', async () => {
  const asked = `INSERT INTO signoffs (id, act, title, arguments, arguments_sha256, requested_by_kind, requested_by, client_id,
      barred_users, required_roles, quorum, no_open_incident, requested_at, expires_at)
    SELECT gen_random_uuid(), 'release.deploy', 'Deploy', '{"n":1}', encode(sha256('{"n":1}'), 'hex'), 'user', id,
      'sallyport', '{}', '{tech_lead}', 1, false, now(), now() + interval '1 day' FROM users LIMIT 1`;
  await queryRows(harness.databaseUrl)(asked);
  const incident = `INSERT INTO incidents (id, detection, severity, subject_kind, subject_id, detail)
    VALUES (gen_random_uuid(), 'token_replay', 'high', 'user', 'u', '{"n":1}')`;
  await queryRows(harness.databaseUrl)(incident);
  const listed = (await client.listTools()).tools;
  const needsUser = tools.filter(({ need }) => need !== null && 'own' in need).map(({ name }) => name);
  const all = every.map(({ name }) => name);
  expect(listed.map(({ name }) => name).sort()).toEqual(all.filter((name) => !needsUser.includes(name)).sort());
  // Formats are names only: the shapes of the endpoints test them.
  const ajv = new Ajv2020({ strict: true, validateFormats: false });
  for (const { name, outputSchema } of listed) {
    const answered = await client.callTool({ name, arguments: await argumentsOf(name) });
    if (name === 'rotate_signing_keys') {
      // A client that is no agent asks for no sign-off: an error has no declared shape.
      expect(answered).toMatchObject({ isError: true, structuredContent: { code: 'signoff_owner_required' } });
      continue;
    }
    expect([name, answered.isError, answered.structuredContent]).toEqual([name, undefined, expect.anything()]);
    const matches = ajv.compile(outputSchema as object);
    expect([name, matches(answered.structuredContent), matches.errors]).toEqual([name, true, null]);
    expect(matches({ ...(answered.structuredContent as object), more: 1 })).toBe(false);
  }
});
