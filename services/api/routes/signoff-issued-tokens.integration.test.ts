import { afterAll, beforeAll, expect, test } from 'vitest';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';

let harness: ApiHarness;
let api: ApiCopy;
let admin: Person;
beforeAll(async () => {
  harness = await openApiHarness();
  api = await harness.startCopy({ hashes: false });
  admin = await newPerson(api, ['admin', 'qa']);
});
afterAll(() => harness?.close());

const ACT = { act: 'release.deploy', arguments: { version: '1.4' } };
const SIGNOFFS = '/v1/handoff/signoffs';
const post = (bearer: string, path: string, json: object) =>
  send(api.url, 'POST', `${SIGNOFFS}${path}`, { bearer, json });
const request = (bearer: string) => post(bearer, '', { ...ACT, title: 'Deploy 1.4', required_roles: ['qa'] });
/** What an administrator with `tokens:issue` obtains for another user. */
async function issuedFor({ id }: Person): Promise<string> {
  const { status, body } = await send(api.url, 'POST', '/v1/tokens', { bearer: admin.bearer, json: { user_id: id } });
  expect(status).toBe(201);
  return body.access_token;
}

test('one person alone: who issues a pair for a user requests no act with it, and so approves and runs none', async () => {
  const developer = await newPerson(api, ['developer']);
  expectProblem(await request(await issuedFor(developer)), 403, 'signoff_sign_in_required');
});

test('one person alone: who approves what a user requested starts and finishes it with no issued pair', async () => {
  const developer = await newPerson(api, ['developer']);
  const { signoff_id: id, arguments_sha256: sha256 } = (await request(developer.bearer)).body;
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
