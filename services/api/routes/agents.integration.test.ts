import { describe, expect, test } from 'vitest';
import { TOKEN_EXCHANGE } from '#services/core/access/grant-shapes.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const here = opened(() => harness.startCopy({ hashes: false }));
const there = opened(() => harness.startCopy({ hashes: false }));
const admin = opened(() => newPerson(here, ['admin']));

const reason = 'test';
type Credentials = { client_id: string; client_secret: string };
async function newAgent(owner: Person, changes: object = {}): Promise<Credentials> {
  const json = { name: 'Agent', owner_id: owner.id, reason, ...changes };
  const made = await send(here.url, 'POST', '/v1/admin/agents', { bearer: admin.bearer, json });
  expect(made.status).toBe(201);
  return { client_id: made.body.agent_id, client_secret: made.body.client_secret };
}
const kill = (agent: Credentials, bearer: string, path = '/v1/admin/agents') =>
  send(here.url, 'POST', `${path}/${agent.client_id}/kill`, { bearer, json: { reason } });
const token = (agent: Credentials, form: Record<string, string>, headers: Record<string, string> = {}) =>
  send(here.url, 'POST', '/oauth2/token', { basic: agent, form, headers });
const validate = (copy: ApiCopy, value: string) =>
  send(copy.url, 'POST', '/v1/tokens/validate', { json: { token: value } });
const exchange = (subject: Person) => ({
  grant_type: TOKEN_EXCHANGE,
  subject_token: subject.bearer,
  subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
});

describe('an agent', () => {
  test('gets tokens bound to its key, reports that it runs, and its owner sees it', async () => {
    const owner = await newPerson(here);
    const agent = await newAgent(owner, { credential_scopes: ['tasks:read'] });
    const unbound = await token(agent, { grant_type: 'client_credentials' });
    expect(unbound.body.error).toBe('invalid_dpop_proof');
    const proof = newProofMaker().proof('POST', `${API_URL}/oauth2/token`);
    const bound = await token(agent, { grant_type: 'client_credentials' }, { dpop: proof });
    expect(bound.body).toMatchObject({ token_type: 'DPoP', scope: 'tasks:read' });
    const seen = await send(here.url, 'POST', '/v1/agents/heartbeat', {
      basic: agent,
      json: { capabilities: ['plan'] },
    });
    expect(seen.body).toMatchObject({ status: 'active', capabilities: ['plan'] });
    const own = await send(here.url, 'GET', '/v1/agents', { bearer: owner.bearer });
    expect(own.body.agents).toMatchObject([{ agent_id: agent.client_id, capabilities: ['plan'] }]);
    // What was refused above, by the API and on the page of the owner; of another user's agent nothing is learned.
    await here.ports.clientRefusals.write();
    const why = (bearer: string) => send(here.url, 'GET', `/v1/agents/${agent.client_id}/why`, { bearer });
    const [refusal] = (await why(owner.bearer)).body.refusals;
    expect(refusal).toMatchObject({ code: 'dpop_proof_invalid', requests: 1 });
    expectProblem(await why(admin.bearer), 404, 'agent_unknown');
    const { cookie } = await openSessionFor(here, owner.id);
    expect((await send(here.url, 'GET', '/account/applications', { cookie })).text).toContain(refusal.title);
  });

  test('gets delegated tokens that name it as the actor, for its owner and no other user', async () => {
    const owner = await newPerson(here, ['operator']);
    const agent = await newAgent(owner, { scopes: ['openid', 'keys:read'], dpop_bound_access_tokens: false });
    const delegated = await token(agent, exchange(owner));
    expect(claimsIn(delegated.body.access_token)).toMatchObject({
      sub: owner.id,
      act: { sub: agent.client_id },
      permissions: [],
    });
    const other = await token(agent, exchange(await newPerson(here)));
    expect(other.body).toMatchObject({ error: 'invalid_request' });
  });

  test('is killed: its own and its delegated tokens are refused by this copy at once, and by the others', async () => {
    const owner = await newPerson(here);
    const agent = await newAgent(owner, {
      scopes: ['openid'],
      credential_scopes: ['tasks:read'],
      dpop_bound_access_tokens: false,
    });
    const own = (await token(agent, { grant_type: 'client_credentials' })).body.access_token;
    const delegated = (await token(agent, exchange(owner))).body.access_token;
    for (const copy of [here, there])
      for (const value of [own, delegated]) expect((await validate(copy, value)).body.active).toBe(true);
    const killed = await kill(agent, owner.bearer, '/v1/agents');
    expect(killed.body).toMatchObject({ status: 'killed' });
    for (const value of [own, delegated]) {
      expect((await validate(here, value)).body.active).toBe(false);
      await eventually('refusal at the other copy', async () => !(await validate(there, value)).body.active);
    }
    expect((await token(agent, { grant_type: 'client_credentials' })).status).toBe(401);
    // As after a lost answer.
    for (const again of [await kill(agent, owner.bearer, '/v1/agents'), await kill(agent, admin.bearer)])
      expect([again.status, again.body]).toEqual([200, killed.body]);
  });
});

test('why the requests of an agent were refused is explained to those who may see agents', async () => {
  const agent = await newAgent(await newPerson(here));
  await token({ ...agent, client_secret: 'wrong' }, { grant_type: 'client_credentials' });
  await here.ports.clientRefusals.write();
  const why = (id: string, bearer = admin.bearer) => send(here.url, 'GET', `/v1/admin/agents/${id}/why`, { bearer });
  const { body } = await why(agent.client_id);
  expect(body.refusals).toMatchObject([{ code: 'client_unauthenticated', cause: 'The client secret is wrong.' }]);
  expectProblem(await why('unknown'), 404, 'agent_unknown');
  expectProblem(await why(agent.client_id, (await newPerson(here)).bearer), 403, 'permission_missing');
});

test('a start beyond a limit is refused until the next day, and the owner sees why on every face', async () => {
  const owner = await newPerson(here, ['developer']);
  const agent = await newAgent(owner, { credential_scopes: ['signoffs:request'] });
  const limits = (path: string, bearer: string, to: object) => {
    const json = { act: 'payments.*', reason, ...to };
    return send(here.url, 'PUT', `${path}/${agent.client_id}/limits`, { bearer, json });
  };
  expect((await limits('/v1/admin/agents', admin.bearer, { acts_a_day: 0 })).status).toBe(200);
  expect((await limits('/v1/agents', owner.bearer, { acts_a_day: 9 })).body.limits).toHaveLength(2);
  const run = { act: 'payments.send', arguments: { amount: 1 } };
  const asked = { ...run, title: 'Pay', required_roles: ['qa'] };
  const requested = await send(here.url, 'POST', '/v1/handoff/signoffs', { basic: agent, json: asked });
  const { signoff_id: id, arguments_sha256 } = requested.body;
  const { bearer } = await newPerson(here, ['qa']);
  await send(here.url, 'POST', `/v1/handoff/signoffs/${id}/approve`, {
    bearer,
    json: { role: 'qa', arguments_sha256 },
  });
  const refused = await send(here.url, 'POST', `/v1/handoff/signoffs/${id}/start`, { basic: agent, json: run });
  expectProblem(refused, 429, 'agent_limit_reached');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  await here.ports.clientRefusals.write();
  const why = await send(here.url, 'GET', `/v1/agents/${agent.client_id}/why`, { bearer: owner.bearer });
  expect(why.body.refusals).toMatchObject([{ code: 'agent_limit_reached', cause: refused.body.detail }]);
  expect(why.body.limits).toMatchObject([{ set_by: 'administrator', acts_a_day: 0 }, { set_by: 'owner' }]);
  const { cookie } = await openSessionFor(here, owner.id);
  const { text: page } = await send(here.url, 'GET', '/account/applications', { cookie });
  expect(page).toContain('<bdi>payments.*</bdi> 0/0, 0/9');
});

test('registering needs agents:manage; a retry with the same key registers one agent', async () => {
  const owner = await newPerson(here);
  const json = { name: 'Agent', owner_id: owner.id, reason };
  const refused = await send(here.url, 'POST', '/v1/admin/agents', { bearer: owner.bearer, json });
  expectProblem(refused, 403, 'permission_missing');
  const headers = { 'idempotency-key': 'agent-1' };
  const twice = [1, 2].map(() => send(here.url, 'POST', '/v1/admin/agents', { bearer: admin.bearer, json, headers }));
  const [first, second] = await Promise.all(twice);
  expect(first?.body).toEqual(second?.body);
  const listed = await send(here.url, 'GET', `/v1/admin/agents?owner=${owner.id}`, { bearer: admin.bearer });
  expect(listed.body.agents).toHaveLength(1);
});
