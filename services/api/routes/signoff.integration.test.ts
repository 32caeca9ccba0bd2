import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SignOffRole } from '#services/wings/signoff/signoff-shapes.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { openBrowser } from '#tools/testing/flows/oauth-browser.ts';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { insertPerson, openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { expectProblem, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));
const admin = opened(() => newPerson(api, ['admin', 'qa']));

const ACT = { act: 'release.deploy', arguments: { version: '1.4', to: ['eu', 'us'] } };
const SIGNOFFS = '/v1/handoff/signoffs';

type Agent = { readonly client_id: string; readonly client_secret: string };
async function newAgent(owner: Person): Promise<Agent> {
  const json = {
    name: 'Deployer',
    owner_id: owner.id,
    credential_scopes: ['signoffs:request'],
    dpop_bound_access_tokens: false,
    reason: 'test',
  };
  const { body } = await send(api.url, 'POST', '/v1/admin/agents', { bearer: admin.bearer, json });
  return { client_id: body.agent_id, client_secret: body.client_secret };
}
const request = (basic: Agent, changes: object = {}, headers: Record<string, string> = {}): Promise<Received> =>
  send(api.url, 'POST', SIGNOFFS, {
    basic,
    headers,
    json: { ...ACT, title: 'Deploy 1.4', required_roles: ['qa', 'architect'], ...changes },
  });
const decide = (id: string, verb: 'approve' | 'deny', person: Person, role: SignOffRole, sha256: string) =>
  send(api.url, 'POST', `${SIGNOFFS}/${id}/${verb}`, {
    bearer: person.bearer,
    json: { role, arguments_sha256: sha256 },
  });
const act = (id: string, verb: 'start' | 'finish', basic: Agent, json: object) =>
  send(api.url, 'POST', `${SIGNOFFS}/${id}/${verb}`, { basic, json });

describe('over HTTP', () => {
  test('an agent asks, two people approve, the act starts once and its end is reported', async () => {
    const owner = await newPerson(api, ['developer']);
    const agent = await newAgent(owner);
    const headers = { 'idempotency-key': randomUUID() };
    const [asked, again] = [await request(agent, {}, headers), await request(agent, {}, headers)];
    expect(asked.status).toBe(201);
    expect(again.body.signoff_id).toBe(asked.body.signoff_id);
    const { signoff_id: id, arguments_sha256: sha256 } = asked.body;
    expectProblem(await act(id, 'start', agent, ACT), 409, 'signoff_not_runnable');
    await decide(id, 'approve', await newPerson(api, ['qa']), 'qa', sha256);
    const approved = await decide(id, 'approve', await newPerson(api, ['architect']), 'architect', sha256);
    expect(approved.body).toMatchObject({ state: 'approved', waiting_for: [] });
    const altered = { ...ACT, arguments: { ...ACT.arguments, version: '1.5' } };
    expectProblem(await act(id, 'start', agent, altered), 409, 'signoff_arguments_changed');
    const starts = await Promise.all([1, 2, 3].map(() => act(id, 'start', agent, ACT)));
    expect(starts.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expectProblem(await send(api.url, 'GET', `${SIGNOFFS}/${id}/receipt`, { basic: agent }), 409, 'signoff_unfinished');
    expect((await act(id, 'finish', agent, { outcome: 'done' })).body).toMatchObject({ state: 'done' });
    expectProblem(await act(id, 'finish', agent, { outcome: 'done' }), 409, 'signoff_not_running');
  });

  test('an agent killed mid-act cannot report its end: its token is dead and the sign-off has failed', async () => {
    const owner = await newPerson(api);
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${owner.id}, 'developer')`;
    const agent = await newAgent(owner);
    const { signoff_id: id, arguments_sha256: sha256 } = (await request(agent, { quorum: 1 })).body;
    await decide(id, 'approve', await newPerson(api, ['qa']), 'qa', sha256);
    expect((await act(id, 'start', agent, ACT)).status).toBe(200);
    await send(api.url, 'POST', `/v1/admin/agents/${agent.client_id}/kill`, {
      bearer: admin.bearer,
      json: { reason: 'test' },
    });
    expect((await act(id, 'finish', agent, { outcome: 'done' })).status).toBe(401);
    const seen = await send(api.url, 'GET', `${SIGNOFFS}/${id}`, { bearer: admin.bearer });
    expect(seen.body).toMatchObject({ state: 'failed', failure: 'agent_killed' });
  });

  test('deciding needs the permission; arguments that cannot be bound are refused', async () => {
    const agent = await newAgent(await newPerson(api, ['developer']));
    const { signoff_id: id, arguments_sha256: sha256 } = (await request(agent)).body;
    expectProblem(await decide(id, 'deny', await newPerson(api), 'qa', sha256), 403, 'permission_missing');
    const denied = await decide(id, 'deny', await newPerson(api, ['qa']), 'qa', sha256);
    expect(denied.body).toMatchObject({ state: 'denied' });
    const listed = await send(api.url, 'GET', `${SIGNOFFS}?state=denied`, { bearer: admin.bearer });
    expect(listed.body.signoffs).toContainEqual(expect.objectContaining({ signoff_id: id }));
    expectProblem(await request(agent, { arguments: 'x'.repeat(32_767) }), 400, 'signoff_arguments_invalid');
    expectProblem(await request(agent, { required_roles: ['qa'], quorum: 2 }), 400, 'signoff_quorum_invalid');
  });
});

describe('arguments that not all parsers read alike', () => {
  const raw = (path: string, basic: Agent, body: string) =>
    send(api.url, 'POST', `${SIGNOFFS}${path}`, { basic, body, headers: { 'content-type': 'application/json' } });

  test.each([
    ['0.1000000000000000055511', 'At /arguments/a: 0.1000000000000000055511 would be read as 0.1.'],
    ['1e-400', 'At /arguments/a: 1e-400 would be read as 0.'],
    ['[9007199254740993]', 'At /arguments/a/0: 9007199254740993 would be read as 9007199254740992.'],
    ['{"b":1,"b":2}', 'At /arguments/a/b: has a name that its object has twice.'],
  ])('are not requested: %s', async (value, detail) => {
    const agent = await newAgent(await newPerson(api, ['developer']));
    const body = `{"act":"pay","title":"Pay","required_roles":["qa"],"arguments":{"a":${value}}}`;
    const refused = await raw('', agent, body);
    expectProblem(refused, 400, 'signoff_arguments_invalid');
    expect(refused.body.detail).toBe(detail);
  });

  test('do not start an act that was approved for the number which they would be read as', async () => {
    const agent = await newAgent(await newPerson(api, ['developer']));
    const asked = await request(agent, { act: 'pay', arguments: { amount: 1 }, quorum: 1 });
    const { signoff_id: id, arguments_sha256: sha256 } = asked.body;
    await decide(id, 'approve', await newPerson(api, ['qa']), 'qa', sha256);
    for (const amount of ['1.00000000000000001', '2,"amount":1']) {
      const inexact = await raw(`/${id}/start`, agent, `{"act":"pay","arguments":{"amount":${amount}}}`);
      expectProblem(inexact, 400, 'signoff_arguments_invalid');
    }
    expect((await raw(`/${id}/start`, agent, '{"act":"pay","arguments":{"amount":1.0}}')).status).toBe(200);
  });
});

describe('on the page, without script', () => {
  async function signedInWith(...roles: readonly SignOffRole[]) {
    const id = await insertPerson(api, newEmail());
    // Before the session, which knows its roles for some minutes.
    for (const role of roles) await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${id}, ${role})`;
    const user = { id, ...(await openSessionFor(api, id)) };
    const browser = openBrowser(api.url, API_URL);
    for (const pair of user.cookie.split('; '))
      browser.cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    return { user, browser };
  }

  test('a person reads exactly what would run, and approves', async () => {
    const agent = await newAgent(await newPerson(api, ['developer']));
    const arguments_ = { text: '<script>alert(1)</script>\u202e' };
    const asked = await request(agent, { arguments: arguments_, quorum: 1 });
    const { signoff_id: id, arguments_sha256: sha256 } = asked.body;
    const { user, browser } = await signedInWith('qa');
    const list = await browser.open('/signoff');
    expect(list.text).toContain(`/signoff/${id}`);
    const page = await browser.open(`/signoff/${id}`);
    expect(page.text).toContain(sha256);
    expect(page.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;\\u202e');
    expect(page.text).not.toContain('<script>alert');
    const after = await browser.submit(page, { role: 'qa', comment: 'looks right', decision: 'approve' });
    expect(after.text).toContain('Approved');
    expect(after.text).toContain('looks right');
    const stored = await harness.rows`SELECT role, user_id, comment FROM signoff_decisions WHERE signoff_id = ${id}`;
    expect(stored).toEqual([{ role: 'qa', user_id: user.id, comment: 'looks right' }]);
  });

  test('a form of another browser, or about other arguments, changes nothing', async () => {
    const agent = await newAgent(await newPerson(api, ['developer']));
    const { signoff_id: id } = (await request(agent)).body;
    const [mine, theirs] = [await signedInWith('qa'), await signedInWith('qa')];
    const page = await theirs.browser.open(`/signoff/${id}`);
    await mine.browser.open(`/signoff/${id}`);
    const fields = { role: 'qa', comment: '', decision: 'approve' };
    expect((await mine.browser.submit(page, fields)).status).toBe(403);
    const altered = { ...page, text: page.text.replaceAll(/value="[0-9a-f]{64}"/g, `value="${'0'.repeat(64)}"`) };
    expect((await theirs.browser.submit(altered, fields)).status).toBe(403);
    expect(await harness.rows`SELECT 1 FROM signoff_decisions WHERE signoff_id = ${id}`).toEqual([]);
  });

  test('a visitor is sent to sign in and comes back; a user without the permission is refused', async () => {
    const id = randomUUID();
    const answer = await send(api.url, 'GET', `/signoff/${id}`);
    expect([answer.status, answer.headers.get('location')]).toEqual([303, `/login?next=%2Fsignoff%2F${id}`]);
    const { browser } = await signedInWith();
    expect((await browser.open('/signoff')).status).toBe(403);
    const { browser: person } = await signedInWith('qa');
    expect((await person.open(`/signoff/${id}`)).status).toBe(404);
  });
});

const post = (bearer: string, path: string, json: object) =>
  send(api.url, 'POST', `${SIGNOFFS}${path}`, { bearer, json });
const requestBy = (bearer: string) => post(bearer, '', { ...ACT, title: 'Deploy 1.4', required_roles: ['qa'] });
/** What an administrator with `tokens:issue` obtains for another user. */
async function issuedFor({ id }: Person): Promise<string> {
  const { status, body } = await send(api.url, 'POST', '/v1/tokens', { bearer: admin.bearer, json: { user_id: id } });
  expect(status).toBe(201);
  return body.access_token;
}

test('one person alone: who issues a pair for a user requests no act with it, and so approves and runs none', async () => {
  const developer = await newPerson(api, ['developer']);
  expectProblem(await requestBy(await issuedFor(developer)), 403, 'signoff_sign_in_required');
});

test('one person alone: who approves what a user requested starts and finishes it with no issued pair', async () => {
  const developer = await newPerson(api, ['developer']);
  const { signoff_id: id, arguments_sha256: sha256 } = (await requestBy(developer.bearer)).body;
  const approval = { role: 'qa', arguments_sha256: sha256 };
  expect((await post(admin.bearer, `/${id}/approve`, approval)).body).toMatchObject({ state: 'approved' });
  const issued = await issuedFor(developer);
  expectProblem(await post(issued, `/${id}/start`, ACT), 403, 'signoff_sign_in_required');
  expect((await post(developer.bearer, `/${id}/start`, ACT)).status).toBe(200);
  expectProblem(await post(issued, `/${id}/finish`, { outcome: 'done' }), 403, 'signoff_sign_in_required');
  expect((await post(developer.bearer, `/${id}/finish`, { outcome: 'done' })).body).toMatchObject({ state: 'done' });
});

test('an administrator does not give themselves the role to approve with', async () => {
  const path = `/v1/admin/users/${admin.id}/roles/architect`;
  const answer = await send(api.url, 'PUT', path, { bearer: admin.bearer, json: { reason: 'test' } });
  expectProblem(answer, 403, 'role_self_grant');
});
