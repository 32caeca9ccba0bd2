import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { sealerOf } from '#tools/testing/harness/log.ts';
import { type ClientCredentials, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

let agent: ClientCredentials;
let token: string;
const reason = 'test';

/** What an agent with all rights of an administrator would leave behind, for the time after its kill. */
const harness = opened(openApiHarness);
const copy = opened(() => harness.startCopy({ hashes: false }));
const admin = opened(() => newPerson(copy, ['admin']));
beforeAll(async () => {
  const json = {
    name: 'Administrator’s agent',
    owner_id: admin.id,
    credential_scopes: [...copy.ports.access.permissionsOf(['admin'])],
    dpop_bound_access_tokens: false,
    reason,
  };
  const registered = await send(copy.url, 'POST', '/v1/admin/agents', { bearer: admin.bearer, json });
  expect(registered.status, registered.text).toBe(201);
  agent = { client_id: registered.body.agent_id, client_secret: registered.body.client_secret };
  const form = { grant_type: 'client_credentials' };
  token = (await send(copy.url, 'POST', '/oauth2/token', { basic: agent, form })).body.access_token;
});

type Act = (other: Person) => readonly ['POST' | 'PUT' | 'DELETE', string, object];
const acts: Record<string, Act> = {
  'a client with its rights': () => [
    'POST',
    '/v1/admin/clients',
    { name: 'x', grant_types: ['client_credentials'], credential_scopes: ['keys:read'], reason },
  ],
  'a second agent of its owner': () => ['POST', '/v1/admin/agents', { name: 'x', owner_id: admin.id, reason }],
  'an approver of its sign-offs': ({ id }) => ['PUT', `/v1/admin/users/${id}/roles/qa`, { reason }],
  'another administrator': ({ id }) => ['PUT', `/v1/admin/users/${id}/roles/admin`, { reason }],
  'an invited user': () => ['POST', '/v1/admin/users', { email: 'x@example.test', name: 'x', roles: [], reason }],
  'a role with its rights': () => [
    'PUT',
    '/v1/admin/roles/user/permissions',
    { permissions: ['keys:read'], description: 'x', reason },
  ],
  'the statement of a person about a control': () => ['POST', '/v1/compliance/controls/training/attest', { note: 'x' }],
  'a stream of shared signals': () => [
    'POST',
    '/ssf/streams',
    { delivery: { method: 'urn:ietf:rfc:8935', endpoint_url: 'https://receiver.example.test/' } },
  ],
  'a user without sessions': ({ id }) => ['POST', `/v1/admin/users/${id}/sessions/end`, { reason }],
};

test.each(Object.keys(acts))('an agent leaves nothing that outlives its kill: %s', async (name) => {
  const [method, path, json] = (acts[name] as Act)(await newPerson(copy));
  for (const credential of [{ basic: agent }, { bearer: token }]) {
    const answer = await send(copy.url, method, path, { ...credential, json });
    expect([answer.status, answer.body.code]).toEqual([403, 'agent_not_accepted']);
  }
});

test('an agent does not revoke what others hold, and its refusals are in the audit log', async () => {
  const other = await newPerson(copy);
  const json = { user_id: other.id, reason };
  const answer = await send(copy.url, 'POST', '/v1/tokens/revoke', { basic: agent, json });
  expect([answer.status, answer.body.code]).toEqual([403, 'agent_not_accepted']);
  const denied = await harness.rows`SELECT DISTINCT detail ->> 'code' AS code FROM audit_outbox
    WHERE type = 'access.denied' AND actor_id = ${agent.client_id}`;
  expect(denied).toEqual([{ code: 'agent_not_accepted' }]);
});

test('a client leaves no poll for shared signals either: one that waits when it is disabled gets no event', async () => {
  const basic = await harness.newClient(['ssf.manage']);
  const created = await send(copy.url, 'POST', '/ssf/streams', { basic, json: {} });
  expect(created.status, created.text).toBe(201);
  const waits = vi.spyOn(copy.ports.pollWaits, 'beyond');
  const poll = send(copy.url, 'POST', `/ssf/poll/${created.body.stream_id}`, { basic, json: {} });
  await eventually('the poll to wait', async () => waits.mock.calls.length > 0);
  const disable = `/v1/admin/clients/${basic.client_id}/disable`;
  expect((await send(copy.url, 'POST', disable, { bearer: admin.bearer, json: { reason } })).status).toBe(200);
  const other = await newPerson(copy);
  const end = `/v1/admin/users/${other.id}/sessions/end`;
  expect((await send(copy.url, 'POST', end, { bearer: admin.bearer, json: { reason } })).status).toBe(200);
  const dir = testFolder(onTestFinished);
  await sealerOf(copy.ports, harness.owner, dir)();
  const answer = await poll;
  expect([answer.status, answer.body.code, answer.body.sets]).toEqual([401, 'unauthenticated', undefined]);
  waits.mockRestore();
});

test('a copy that has not heard of an agent does not take its token for that of a client', async () => {
  const second = await harness.startCopy({ hashes: false });
  // The second copy polls over this one connection.
  const poll = await second.stores.pools.revocations.connect();
  const json = {
    name: 'New agent',
    owner_id: admin.id,
    credential_scopes: ['clients:manage', 'keys:read'],
    dpop_bound_access_tokens: false,
    reason,
  };
  const { body } = await send(copy.url, 'POST', '/v1/admin/agents', { bearer: admin.bearer, json });
  const basic = { client_id: body.agent_id, client_secret: body.client_secret };
  const form = { grant_type: 'client_credentials' };
  const { access_token: bearer } = (await send(copy.url, 'POST', '/oauth2/token', { basic, form })).body;
  const client = { name: 'x', grant_types: ['client_credentials'], credential_scopes: ['keys:read'], reason };
  const attempt = () => send(second.url, 'POST', '/v1/admin/clients', { bearer, json: client });
  try {
    const early = await attempt();
    // Later than a second it does not know which tokens are revoked either.
    expect([early.status, early.body.code]).toEqual([
      503,
      expect.stringMatching(/^(directory|revocation_state)_stale$/),
    ]);
  } finally {
    poll.release();
  }
  await expect.poll(async () => (await attempt()).body.code, { timeout: 20_000 }).toBe('agent_not_accepted');
});
