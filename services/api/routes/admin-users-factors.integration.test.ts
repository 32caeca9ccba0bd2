import { describe, expect, test } from 'vitest';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { act, answer, type Enrolled, enrolled } from '#tools/testing/flows/factor-flows.ts';
import { refresh, verdictOn } from '#tools/testing/flows/flows.ts';
import { newPerson, pairOf } from '#tools/testing/flows/people.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { expectProblem, type Received, send } from '#tools/testing/http-client.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(openApiHarness);
const copy = opened(() => harness.startCopy());
const admin = opened(() => newPerson(copy, ['admin']));
const mails = opened(() => openMailFolder(copy.workerPorts));

const reset = (id: string, json: object = {}, { bearer }: { readonly bearer: string } = admin): Promise<Received> =>
  send(copy.url, 'POST', `/v1/admin/users/${id}/factors/reset`, {
    bearer,
    json: { reason: 'lost the phone, seen in person', ...json },
  });
const signIn = ({ person: { email, password } }: Enrolled): Promise<Received> =>
  send(copy.url, 'POST', '/api/auth/signin', { json: { email, password } });
const events = (type: string, id: string) =>
  harness.rows`SELECT actor_id, detail FROM audit_outbox WHERE type = ${type} AND target_id = ${id} ORDER BY id`;

/** Adds a factor; a new session replaces the previous one. */
async function addPasskey(user: Enrolled) {
  const authenticator = createAuthenticator();
  const { options, challenge } = (await act(copy, user.cookie, '/api/auth/passkey/register/options')).body;
  const response = authenticator.create(options, { origin: API_URL });
  const json = { challenge, response, name: 'a key' };
  const made = await act(copy, user.cookie, '/api/auth/passkey/register/verify', json);
  expect(made.status).toBe(201);
  return async (): Promise<Received> => {
    const asked = (await send(copy.url, 'POST', '/api/auth/passkey/sign-in/options', { json: {} })).body;
    const proof = { challenge: asked.challenge, response: authenticator.get(asked.options, { origin: API_URL }) };
    return send(copy.url, 'POST', '/api/auth/passkey/sign-in/verify', { json: proof });
  };
}

describe('a lost second factor', () => {
  test('is removed by an administrator: sessions, tokens and codes end, the owner is notified, and the log records who and why', async () => {
    const user = await enrolled(copy);
    const { challenge } = (await signIn(user)).body;
    const done = await reset(user.userId);
    expect(done.status, done.text).toBe(200);
    expect(done.body).toMatchObject({
      id: user.userId,
      sessions: 0,
      logins: 0,
      factors: { totp: false, passkeys: 0, recovery_codes_left: 0, owed: false },
    });
    const { access_token: access, refresh_token: token } = user.confirmed.body.tokens;
    expect(await verdictOn({ api: copy.url }, access)).toBe('revoked');
    expectProblem(await refresh({ api: copy.url }, token), 401, 'session_ended');
    // Neither an earlier challenge nor a recovery code of the lost factor is accepted.
    expect((await answer(copy, { challenge, recovery_code: user.codes[0] })).status).toBe(401);
    expect((await signIn(user)).status, 'the password is what is left').toBe(200);
    expect(await events('user.factors_reset', user.userId)).toEqual([
      { actor_id: admin.id, detail: { totp: true, passkeys: 0, reason: 'lost the phone, seen in person' } },
    ]);
    expect(await events('factor.removed', user.userId)).toMatchObject([
      { actor_id: admin.id, detail: { factor: 'totp' } },
    ]);
    const [mail] = (await mails.to(user.person.email)).filter(({ subject }) => subject.includes('second factor'));
    expect(mail?.text).toContain('contact the administrator');
    expectProblem(await reset(user.userId), 409, 'factors_absent');
  });

  test('passkeys and their recovery codes stay unless the body says otherwise', async () => {
    const user = await enrolled(copy);
    const byPasskey = await addPasskey(user);
    expect((await reset(user.userId)).body.factors).toEqual({
      totp: false,
      passkeys: 1,
      recovery_codes_left: 10,
      owed: false,
    });
    expect((await byPasskey()).status).toBe(200);
    expectProblem(await reset(user.userId), 409, 'factors_absent');
    expectProblem(await reset(user.userId, { passkeys: 'yes' }), 400, 'request_invalid');
    const all = await reset(user.userId, { passkeys: true });
    expect(all.body.factors).toEqual({ totp: false, passkeys: 0, recovery_codes_left: 0, owed: false });
    expect(await harness.rows`SELECT 1 FROM two_factors WHERE "userId" = ${user.userId}`).toEqual([]);
    expect((await byPasskey()).body.code).toBe('passkey_refused');
    expect((await signIn(user)).status).toBe(200);
  });

  test('only after a recent sign-in of an administrator of accounts who has every permission of the owner', async () => {
    const user = await enrolled(copy);
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${user.userId}, 'admin')`;
    const json = { name: 'desk', description: 'x', permissions: ['users:manage', 'users:read'], reason: 'test' };
    expect((await send(copy.url, 'POST', '/v1/admin/roles', { bearer: admin.bearer, json })).status).toBe(201);
    const desk = await newPerson(copy, ['desk']);
    expectProblem(await reset(user.userId, {}, desk), 403, 'rights_exceeded');
    expectProblem(await reset(user.userId, {}, await newPerson(copy)), 403, 'permission_missing');
    const stale = await pairOf(copy, admin, Math.floor(Date.now() / 1_000) - 3_600);
    expectProblem(await reset(user.userId, {}, stale), 403, 'step_up_required');
    expectProblem(await reset('unknown'), 404, 'user_unknown');
    expectProblem(await reset(user.userId, { reason: '' }), 400, 'request_invalid');
    expect((await signIn(user)).body.code).toBe('second_factor_required');
  });
});
