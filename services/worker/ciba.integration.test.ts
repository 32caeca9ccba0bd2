import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { decodeJwt } from 'jose';
import * as openid from 'openid-client';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { sendPingsJob } from '#jobs/contracts/signoff.ts';
import { processorsOf } from '#jobs/processors.ts';
import { CIBA_GRANT } from '#services/core/access/grant-shapes.ts';
import { AUTH_REQ_ID } from '#services/core/oauth/claims/id-token.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { recordProcess, waitForExit } from '#services/platform/local/processes.ts';
import type { SignOffRole } from '#services/wings/signoff/signoff-shapes.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { insertSession } from '#tools/testing/fixtures/families.ts';
import { newPerson, type Person, pairOf } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { sealerOf } from '#tools/testing/harness/log.ts';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { startProduct } from '#tools/testing/harness/product.ts';
import { expectOAuthError, expectProblem, type Received, send } from '#tools/testing/http-client.ts';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { type Held, whileItWaits } from '#tools/testing/overtaken.ts';
import { leftOut } from '#tools/testing/processes/child-env.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { compose } from './compose.ts';

const ISSUER = 'https://sallyport.example';
const ACT = 'release.deploy';
const ARGUMENTS = { version: '1.4', to: ['eu', 'us'] };
const START = { act: ACT, arguments: ARGUMENTS };
const DETAIL = { type: 'sallyport_act', ...START };
const UNREAD = 'authorization_details_invalid';
const ISSUED = `SELECT detail FROM audit_outbox WHERE type = 'token.issued' AND actor_id = $1`;

const folder = testFolder();
const harness = opened(openApiHarness);
const api = opened(() => harness.startCopy({ hashes: false, publicUrl: ISSUER }));
const admin = opened(() => newPerson(api, ['admin']));
const qa = opened(() => newPerson(api, ['qa']));
const architect = opened(() => newPerson(api, ['architect']));
const owner = opened(() => newPerson(api, ['qa', 'architect']));

const pinged: { readonly request: IncomingMessage; readonly body: string }[] = [];
const server = createServer(async (request, response) => {
  pinged.push({ request, body: await text(request) });
  if (request.url === '/silent') return;
  response.writeHead(request.url === '/away' ? 302 : 204, { location: '/elsewhere' }).end();
});
const receiver = opened(() => listening(server));

beforeAll(async () => {
  const plainFetch = fetch;
  vi.stubGlobal('fetch', (url: string | URL, init?: RequestInit) =>
    plainFetch(String(url).replace(ISSUER, api.url), init),
  );
  await harness.rows`INSERT INTO applications (name, audience) VALUES ('ship', 'https://ship.example')`;
  await harness.rows`
    INSERT INTO signoff_policies (act, application, roles, quorum, lifetime_minutes, no_open_incident, arguments)
    VALUES ('release.*', 'ship', '{qa,architect}', 2, 60, false, '[]')`;
});
afterAll(() => vi.unstubAllGlobals());

type Agent = { readonly client_id: string; readonly client_secret: string };
async function newAgent(changes: object = {}): Promise<Agent> {
  const json = {
    name: 'Deployer',
    owner_id: owner.id,
    credential_scopes: ['signoffs:request'],
    dpop_bound_access_tokens: false,
    reason: 'test',
    ...changes,
  };
  const { body } = await send(api.url, 'POST', '/v1/admin/agents', { bearer: admin.bearer, json });
  return { client_id: body.agent_id, client_secret: body.client_secret };
}
const form = (changes: Record<string, string> = {}) => ({
  scope: 'openid signoffs:request',
  login_hint: owner.email,
  authorization_details: JSON.stringify([DETAIL]),
  binding_message: 'Deploy 1.4',
  ...changes,
});
const ask = (basic: Agent, changes?: Record<string, string>): Promise<Received> =>
  send(api.url, 'POST', '/oauth2/bc-authorize', { basic, form: form(changes) });
const poll = (basic: Agent, authReqId: string, url = api.url): Promise<Received> =>
  send(url, 'POST', '/oauth2/token', { basic, form: { grant_type: CIBA_GRANT, auth_req_id: authReqId } });
async function decide(id: string, person: Person, role: SignOffRole, verb: 'approve' | 'deny' = 'approve') {
  const { body } = await send(api.url, 'GET', `/v1/handoff/signoffs/${id}`, { bearer: admin.bearer });
  return send(api.url, 'POST', `/v1/handoff/signoffs/${id}/${verb}`, {
    bearer: person.bearer,
    json: { role, arguments_sha256: body.arguments_sha256 },
  });
}
async function approve(id: string): Promise<void> {
  expect((await decide(id, qa, 'qa')).status).toBe(200);
  expect((await decide(id, architect, 'architect')).body).toMatchObject({ state: 'approved' });
}
const set = async (agent: Agent, column: string, value: unknown) => {
  await harness.rows(`UPDATE oauth_clients SET ${column} = $2 WHERE "clientId" = $1`, [agent.client_id, value]);
  await api.ports.access.load();
};
test('openid-client asks, two people decide, the token carries exactly the act, which runs once, and the receipt proves it', async () => {
  const agent = await newAgent({ dpop_bound_access_tokens: true });
  const auth = openid.ClientSecretBasic(agent.client_secret);
  const config = await openid.discovery(new URL(ISSUER), agent.client_id, undefined, auth);
  expect(config.serverMetadata()).toMatchObject({
    backchannel_token_delivery_modes_supported: ['poll', 'ping'],
    backchannel_user_code_parameter_supported: false,
    grant_types_supported: expect.arrayContaining([CIBA_GRANT]),
    authorization_details_types_supported: ['sallyport_act'],
  });
  const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'));
  const asked = await openid.initiateBackchannelAuthentication(config, form({ requested_expiry: '600' }));
  expect(asked).toMatchObject({ expires_in: 600, interval: 5 });
  const id = asked.signoff_id as unknown as string;
  const shown = await send(api.url, 'GET', `/v1/handoff/signoffs/${id}`, { bearer: admin.bearer });
  expect(shown.body).toMatchObject({ title: 'Deploy 1.4', ...START, client_id: agent.client_id });
  for (const role of ['qa', 'architect'] as const)
    expectProblem(await decide(id, owner, role), 403, 'signoff_self_approval');
  expect((await decide(id, qa, 'qa')).status).toBe(200);
  expectProblem(await decide(id, qa, 'architect'), 403, 'signoff_role_missing');
  await decide(id, architect, 'architect');
  const soon = { ...asked, interval: 0 };
  const tokens = await openid.pollBackchannelAuthenticationGrant(config, soon, undefined, { DPoP });
  expect(tokens).not.toHaveProperty('refresh_token');
  expect(tokens.authorization_details).toEqual([DETAIL]);
  const claims = decodeJwt(tokens.access_token);
  expect(claims).toMatchObject({ sub: agent.client_id, client_id: agent.client_id, authorization_details: [DETAIL] });
  expect(claims.permissions).toEqual(['signoffs:request']);
  expect(claims.cnf).toHaveProperty('jkt');
  expect(claims.exp).toBeLessThanOrEqual(Date.parse(shown.body.expires_at) / 1_000);
  const named = { sub: owner.id, [AUTH_REQ_ID]: asked.auth_req_id };
  expect(tokens.claims()).toMatchObject(named);
  expect(tokens.claims()).not.toHaveProperty('auth_time');

  const call = async (verb: string, json?: object) => {
    const [method, body] = json ? ['POST', JSON.stringify(json)] : ['GET'];
    const headers = new Headers({ 'content-type': 'application/json' });
    const url = new URL(`${ISSUER}/v1/handoff/signoffs/${id}/${verb}`);
    const asking = openid.fetchProtectedResource(config, tokens.access_token, url, method, body, headers, { DPoP });
    return (await asking.catch((err) => err.response as Response)).json() as Promise<Record<string, unknown>>;
  };
  const altered = { act: ACT, arguments: { ...ARGUMENTS, version: '1.5' } };
  expect(await call('start', altered)).toMatchObject({ code: 'signoff_arguments_changed' });
  expect(await call('start', START)).toMatchObject({ state: 'running' });
  expect(await call('start', START)).toMatchObject({ code: 'signoff_not_runnable' });
  expect(await call('finish', { outcome: 'done' })).toMatchObject({ state: 'done' });
  await sealerOf(api.ports, harness.owner, folder)();
  const receipt = await call('receipt');
  expect(receipt).toMatchObject({ outcome: 'done', quorum: 2, arguments_sha256: shown.body.arguments_sha256 });
  expect(receipt.approvals).toEqual([
    { role: 'qa', user_id: qa.id },
    { role: 'architect', user_id: architect.id },
  ]);
  expect(receipt.proof).toContain('c2sp.org/tlog-proof');
  const again = await ask(agent, { login_hint: '', id_token_hint: tokens.id_token as string });
  expect(again.status).toBe(200);
  expectOAuthError(await poll(agent, asked.auth_req_id), 400, 'invalid_dpop_proof', 'dpop_proof_invalid');
});

test('polls storm, wait, and are slowed down; twenty at once after the approval give one token, without an ID token that was not asked for', async () => {
  const [agent, other] = [await newAgent(), await newAgent()];
  const { auth_req_id: authReqId, signoff_id: id } = (await ask(agent, { scope: 'signoffs:request' })).body;
  await set(agent, 'id_token_signed_response_alg', 'EdDSA');
  expectOAuthError(await poll(agent, authReqId), 400, 'authorization_pending', 'auth_req_pending');
  expectOAuthError(await poll(agent, authReqId), 400, 'slow_down', 'auth_req_polls_too_fast');
  await approve(id);
  expectOAuthError(await poll(other, authReqId), 400, 'invalid_grant', 'auth_req_id_invalid');
  const answers = await Promise.all(Array.from({ length: 20 }, () => poll(agent, authReqId)));
  const given = answers.flatMap(({ status, body }) => (status === 200 ? [[body.scope, body.id_token]] : []));
  expect(given).toEqual([['signoffs:request', undefined]]);
  expect(new Set(answers.map(({ body }) => body.error))).toEqual(new Set([undefined, 'invalid_grant']));
  const [event, ...others] = await harness.rows(ISSUED, [agent.client_id]);
  expect([event?.detail, others]).toMatchObject([{ grant: 'ciba', of: id, detail_types: ['sallyport_act'] }, []]);
});

test('one person approves once: not in another role, by another session, or by another account of theirs at a provider', async () => {
  const both = await newPerson(api, ['qa', 'architect']);
  const agent = await newAgent();
  const asked = (await ask(agent)).body;
  expect((await decide(asked.signoff_id, both, 'qa')).body).toMatchObject({ state: 'pending' });
  const account = `INSERT INTO accounts (id, "accountId", "providerId", "userId") VALUES ('a', 'other', 'google', $1)`;
  await harness.rows(account, [both.id]);
  const sessionId = await insertSession(api.stores.pools.main, both.id);
  const elsewhere = { ...both, sessionId, ...(await pairOf(api, { id: both.id, sessionId })) };
  for (const role of ['qa', 'architect'] as const)
    expectProblem(await decide(asked.signoff_id, elsewhere, role), 409, 'signoff_already_decided');
  expectOAuthError(await poll(agent, asked.auth_req_id), 400, 'authorization_pending', 'auth_req_pending');
  expect((await decide(asked.signoff_id, architect, 'architect')).body).toMatchObject({ state: 'approved' });
});

const CONSUME = 'backchannelRequestConsume';
const CONSUMED_AND_OPEN = `SELECT FROM pg_stat_activity WHERE datname = current_database()
  AND state = 'idle in transaction' AND query LIKE '%DELETE FROM backchannel_requests%'`;
test.each([
  ['before its commit: the next poll gets it, once', CONSUME, CONSUMED_AND_OPEN, 1, [200, 400]],
  ['after its commit: nothing more is given', 'COMMIT', 'SELECT FROM backchannel_requests', 0, [400, 400]],
])('kill -9 of the API between decision and token, %s', async (_when, held, question, rowCount, statuses) => {
  await harness.rows`DELETE FROM backchannel_requests`;
  const agent = await newAgent();
  const asked = (await ask(agent)).body;
  await approve(asked.signoff_id);
  const proxy = await startTcpProxy(harness.databaseUrl);
  const env = { BETTER_AUTH_SECRET: harness.authSecret, BETTER_AUTH_URL: ISSUER, WORKER_COPIES: '0' };
  const victim = await startProduct({ stores: { databaseUrl: proxy.url, redisUrl: harness.redisUrl }, env });
  try {
    proxy.holdAnswersTo(held, CONSUME);
    const lost = poll(agent, asked.auth_req_id, victim.api).catch(() => undefined);
    await eventually(held, async () => (await harness.rows(question)).length === rowCount);
    const killed = recordProcess(victim.apiPid() as number);
    process.kill(killed.pid, 'SIGKILL');
    await waitForExit(killed, 10_000);
    expect((await lost)?.status ?? 503).toBe(503);
  } finally {
    await proxy.cut();
    await victim.dispose();
  }
  await eventually('the end of its transaction', async () => (await harness.rows(CONSUMED_AND_OPEN)).length === 0);
  for (const status of statuses) expect((await poll(agent, asked.auth_req_id)).status).toBe(status);
  expect(await harness.rows(ISSUED, [agent.client_id])).toHaveLength(1);
});

test('a denied, an expired and a started sign-off, and one whose approval is void, give no token', async () => {
  const agent = await newAgent();
  const asked = async () => (await ask(agent)).body;
  const [denied, expired, started, empty] = [await asked(), await asked(), await asked(), await asked()];
  await decide(denied.signoff_id, qa, 'qa', 'deny');
  expectOAuthError(await poll(agent, denied.auth_req_id), 400, 'access_denied', 'auth_req_denied');
  await approve(expired.signoff_id);
  await harness.rows`UPDATE backchannel_requests SET expires_at = now() WHERE id = ${expired.signoff_id}`;
  expectOAuthError(await poll(agent, expired.auth_req_id), 400, 'expired_token', 'auth_req_expired');
  await approve(started.signoff_id);
  await send(api.url, 'POST', `/v1/handoff/signoffs/${started.signoff_id}/start`, { basic: agent, json: START });
  expectOAuthError(await poll(agent, started.auth_req_id), 400, 'invalid_grant', 'auth_req_id_invalid');
  const leaver = await newPerson(api, ['qa']);
  await decide(empty.signoff_id, leaver, 'qa');
  await decide(empty.signoff_id, architect, 'architect');
  await harness.rows`DELETE FROM user_roles WHERE user_id = ${leaver.id} AND role = 'qa'`;
  expectOAuthError(await poll(agent, empty.auth_req_id), 400, 'authorization_pending', 'auth_req_pending');
  await decide(empty.signoff_id, qa, 'qa');
  expect((await poll(agent, empty.auth_req_id)).status).toBe(200);
  for (const authReqId of ['short', 'A'.repeat(43)])
    expectOAuthError(await poll(agent, authReqId), 400, 'invalid_grant', 'auth_req_id_invalid');
});

test('a client that lost a right, was disabled during its poll, or whose ID token cannot be signed now, gets its token once that is mended', async () => {
  const resource = 'https://ship.example';
  const agent = await newAgent({ audiences: [resource] });
  const asked = (await ask(agent, { resource, scope: 'openid' })).body;
  await approve(asked.signoff_id);
  const refused = async (column: string, lost: unknown, kept: unknown) => {
    await set(agent, column, lost);
    const [{ body }, again] = [await poll(agent, asked.auth_req_id), await ask(agent, { resource })];
    await set(agent, column, kept);
    return [body.code, again.body.code];
  };
  expect(await refused('authorization_details_types', [], ['sallyport_act'])).toEqual([UNREAD, UNREAD]);
  expect(await refused('audiences', [], [resource])).toEqual(['target_invalid', 'target_invalid']);
  expect(await refused('id_token_signed_response_alg', 'EdDSA', null)).toEqual(['signing_unavailable', undefined]);
  const held: Held = ['SELECT FROM signoffs WHERE id = $1 FOR UPDATE', [asked.signoff_id]];
  const [polls, disables] = [() => poll(agent, asked.auth_req_id), () => set(agent, 'disabled', true)];
  const overtaken = await whileItWaits(api.stores.pools.main, [held], polls, disables);
  expectOAuthError(overtaken, 401, 'invalid_client', 'client_unauthenticated');
  await set(agent, 'disabled', false);
  const { body } = await poll(agent, asked.auth_req_id);
  expect([body.scope, decodeJwt(body.id_token).sub]).toEqual(['openid', owner.id]);
  const claims = { aud: resource, scope: 'openid', permissions: [], authorization_details: [DETAIL] };
  expect(decodeJwt(body.access_token)).toMatchObject(claims);
});

test.each<[string, (agent: Agent, of: Person) => string]>([
  ['a kill of the agent', ({ client_id }) => `agents/${client_id}/kill`],
  ['a disabled agent', ({ client_id }) => `clients/${client_id}/disable`],
  ['a disabled owner', (_agent, { id }) => `users/${id}/disable`],
])(
  '%s ends the request before its token, and the token before its act (CVE-2026-16103, Keycloak: a request that was approved before its user was locked still gave tokens)',
  async (_what, pathOf) => {
    const made = async () => {
      const of = await newPerson(api, ['qa', 'architect']);
      const agent = await newAgent({ owner_id: of.id });
      const asked = (await ask(agent, { login_hint: of.email })).body;
      await approve(asked.signoff_id);
      const end = () =>
        send(api.url, 'POST', `/v1/admin/${pathOf(agent, of)}`, { bearer: admin.bearer, json: { reason: 'test' } });
      return { agent, asked, end };
    };
    const [early, late] = [await made(), await made()];
    expect((await early.end()).status).toBeLessThan(300);
    await api.ports.access.load();
    expect((await poll(early.agent, early.asked.auth_req_id)).status).toBe(401);
    const { access_token: bearer } = (await poll(late.agent, late.asked.auth_req_id)).body;
    await late.end();
    await api.ports.access.load();
    const path = `/v1/handoff/signoffs/${late.asked.signoff_id}/start`;
    expect((await send(api.url, 'POST', path, { bearer, json: START })).status).toBe(401);
  },
);

test('what a request says of a subject changes nothing (CVE-2026-97174, Keycloak: a request for a sign-in by CIBA injected the subject of its token)', async () => {
  const agent = await newAgent();
  const injected = { sub: admin.id, user_id: admin.id, username: admin.email };
  const asked = (await ask(agent, injected)).body;
  await approve(asked.signoff_id);
  const token = { ...injected, grant_type: CIBA_GRANT, auth_req_id: asked.auth_req_id, scope: 'openid keys:manage' };
  const { body } = await send(api.url, 'POST', '/oauth2/token', { basic: agent, form: token });
  const own = { sub: agent.client_id, client_id: agent.client_id, scope: 'openid signoffs:request' };
  expect(decodeJwt(body.access_token)).toMatchObject({ ...own, permissions: ['signoffs:request'] });
  expect(decodeJwt(body.id_token)).toMatchObject({ sub: owner.id, aud: agent.client_id });
});

const details = (...list: readonly object[]) => ({ authorization_details: JSON.stringify(list) });
const argued = (value: string) => ({
  authorization_details: `[{"type":"sallyport_act","act":"${ACT}","arguments":${value}}]`,
});
test.each<[string, Record<string, string>, string]>([
  ['a hint without an account', { login_hint: 'nobody@example.test' }, 'hinted_user_unknown'],
  ['a forged ID token', { login_hint: '', id_token_hint: 'e30.e30.AA' }, 'hinted_user_unknown'],
  ['two hints', { id_token_hint: 'e30.e30.AA' }, 'request_invalid'],
  ['a login_hint_token', { login_hint_token: 'x' }, 'request_invalid'],
  ['a request object', { request: 'x' }, 'request_object_unsupported'],
  ['no scope', { scope: '' }, 'request_invalid'],
  ['a scope of others', { scope: 'keys:manage' }, 'scope_invalid'],
  ['a foreign resource', { resource: 'https://other.example' }, 'target_invalid'],
  ['text that reorders', { binding_message: 'pay \u202e1' }, 'binding_message_invalid'],
  ['control characters', { binding_message: 'a\nb' }, 'binding_message_invalid'],
  ['a longer life than the policy', { requested_expiry: '7200' }, 'signoff_below_policy'],
  ['no number of seconds', { requested_expiry: '1e3' }, 'request_invalid'],
  ['no act', { authorization_details: '' }, UNREAD],
  ['two acts', details(DETAIL, { ...DETAIL, arguments: {} }), UNREAD],
  ['more members', details({ ...DETAIL, sub: 'admin' }), UNREAD],
  ['an act without a policy', details({ ...DETAIL, act: 'pay' }), 'request_invalid'],
  ['a name twice', argued('{"a":1,"a":2}'), UNREAD],
  ['a number that is read as another', argued('0.1000000000000000055511'), UNREAD],
])('%s is refused, and no sign-off begins', async (_what, changes, code) => {
  const agent = await newAgent();
  expect(await ask(agent, changes)).toMatchObject({ status: 400, body: { code, error: expect.any(String) } });
  expect(await harness.rows`SELECT 1 FROM signoffs WHERE client_id = ${agent.client_id}`).toEqual([]);
});

test('an unknown and another user’s hint are answered alike, and a client without the grant is refused', async () => {
  const agent = await newAgent();
  const [known, unknown] = [await ask(agent, { login_hint: qa.email }), await ask(agent, { login_hint: 'x@y.test' })];
  const { trace_id: _known, ...one } = known.body;
  const { trace_id: _unknown, ...another } = unknown.body;
  expect(one).toEqual(another);
  expectOAuthError(known, 400, 'unknown_user_id', 'hinted_user_unknown');
  const message = await ask(agent, { binding_message: 'a'.repeat(257) });
  expectOAuthError(message, 400, 'invalid_binding_message', 'binding_message_invalid');
  await set(agent, 'grant_types', ['client_credentials']);
  expectOAuthError(await ask(agent), 400, 'unauthorized_client', 'grant_not_allowed');
});

test('a decision pings the client once; a redirect and an internal address are not followed, and polling goes on (CVE-2026-1518, Keycloak: the address for pings reached internal services)', async () => {
  const worker = (env: Record<string, string>) =>
    processorsOf({ leftOut: [] }).then((all) =>
      compose({
        config: loadConfig({ ...leftOut, ...env, BETTER_AUTH_URL: ISSUER, JOB_SCHEDULE_CHECK_MS: '100' }),
        databaseUrl: harness.databaseUrl,
        redisUrl: harness.redisUrl,
        authSecret: harness.authSecret,
        dataDir: folder,
        marks: { read: async () => null, raise: async (marks) => marks },
        log: quietLog,
        processors: all.filter(({ job }) => job === sendPingsJob),
      }),
    );
  const token = 'a'.repeat(43);
  const pinging = async (path: string) => {
    const agent = await newAgent();
    await set(agent, 'backchannel_client_notification_endpoint', `${receiver.url}${path}`);
    expectOAuthError(await ask(agent), 400, 'invalid_request', 'request_invalid');
    const asked = (await ask(agent, { client_notification_token: token })).body;
    await approve(asked.signoff_id);
    return { agent, asked };
  };
  const rowOf = async ({ signoff_id: id }: { signoff_id: string }) =>
    (await harness.rows`SELECT sealed, attempts, failure FROM backchannel_requests WHERE id = ${id}`)[0];
  const inside = await pinging('/inside');
  expect(JSON.stringify(await rowOf(inside.asked))).not.toContain(token);
  const careful = await worker({});
  await careful.start();
  await eventually('a refusal', async () => (await rowOf(inside.asked))?.failure === 'not_https');
  await careful.drain(5_000);
  expect(pinged).toEqual([]);
  await harness.rows`DELETE FROM backchannel_requests WHERE id = ${inside.asked.signoff_id}`;
  const open = await worker({ BACKCHANNEL_LOGOUT_PRIVATE: 'true', DATABASE_POOL: '2' });
  await open.start();
  try {
    const silent = await pinging('/silent');
    const there = await pinging('/there');
    const others = [await pinging('/away'), await pinging('/away'), await pinging('/away')] as const;
    const [away] = others;
    await eventually('a ping', async () => (await rowOf(there.asked))?.sealed === null);
    await eventually('a refused redirect', async () => (await rowOf(away.asked))?.failure === 'redirected');
    const noAnswer = () => rowOf(silent.asked).then((row) => row?.failure ?? undefined);
    expect(await eventually('no answer', noAnswer)).toBe('TimeoutError');
    const urls = pinged.map(({ request }) => request.url);
    expect(urls.filter((url) => url === '/there')).toHaveLength(1);
    expect(urls).not.toContain('/elsewhere');
    const { request, body } = pinged.find((each) => each.request.url === '/there') as (typeof pinged)[number];
    expect(request.headers.authorization).toBe(`Bearer ${token}`);
    expect(JSON.parse(body)).toEqual({ auth_req_id: there.asked.auth_req_id });
    await harness.rows`UPDATE backchannel_requests SET attempts = 7, next_attempt_at = now() WHERE sealed IS NOT NULL`;
    const events = `SELECT outcome, detail FROM audit_outbox WHERE type = 'signoff.pinged' AND target_id = ANY($1)`;
    const given = others.map(({ asked }) => asked.signoff_id);
    const ended = await eventually('the last attempts', async () => {
      const found = await harness.rows(events, [given]);
      return found.length === given.length && found;
    });
    const last = { outcome: 'given_up', detail: { attempts: 8, code: 'redirected' } };
    expect(ended).toEqual(given.map(() => last));
    for (const { agent, asked } of [there, silent, ...others])
      expect((await poll(agent, asked.auth_req_id)).status).toBe(200);
  } finally {
    await open.drain(5_000);
  }
});
