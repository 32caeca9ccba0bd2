import { expect, test } from 'vitest';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { act, enrolled } from '#tools/testing/flows/factor-flows.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { OWN_ORIGIN, readSession, signIn, signUp } from '#tools/testing/flows/identity-flows.ts';
import { type IdentityHarness, newPerson, openIdentityHarness, send } from '#tools/testing/harness/identity.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openIdentityHarness({ env: { MFA_REQUIRED_ROLES: 'admin' } }));

const rows: IdentityHarness['rows'] = (...asked) => harness.rows(...asked);
const stepUp = (cookie: string, body: object) => act(harness, cookie, '/api/auth/step-up', body);
/** Makes the sign-in of this session eleven minutes old, without a cached copy in Redis. */
async function age(sessionId: string): Promise<void> {
  const [{ token }] =
    await rows`UPDATE sessions SET "createdAt" = now() - interval '11 minutes' WHERE id = ${sessionId} RETURNING token`;
  await harness.deps.auth.forget(token);
}

test('a session eleven minutes old cannot enrol a factor; the password gives it a new time and cookie', async () => {
  const person = newPerson();
  const { cookie, body } = await signUp(harness, person);
  const before = body.session;
  await age(before.id);
  const refused = await act(harness, cookie, '/api/auth/two-factor/enable', { password: person.password });
  expect([refused.status, refused.body.code]).toEqual([403, 'step_up_required']);
  expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_user_authentication"');
  const fresh = await stepUp(cookie, { password: person.password });
  expect(fresh.status).toBe(200);
  expect(fresh.body.session.id).toBe(before.id);
  expect(fresh.body.session.expiresAt).toBe(before.expiresAt);
  const claims = claimsIn(fresh.body.tokens.access_token);
  expect(claims).toMatchObject({ sid: fresh.body.session.id, acr: 'aal1', amr: ['pwd'] });
  expect(claims.auth_time).toBeGreaterThanOrEqual(Math.floor(Date.now() / 1_000) - 120);
  expect((await readSession(harness, cookie)).status).toBe(401);
  const families = await rows`SELECT revoke_reason FROM refresh_families WHERE sid = ${before.id} ORDER BY created_at`;
  expect(families).toEqual([{ revoke_reason: 'superseded' }, { revoke_reason: null }]);
  const enabled = await act(harness, fresh.cookie, '/api/auth/two-factor/enable', { password: person.password });
  expect(enabled.status).toBe(200);
});

test('a user with a second factor cannot step up with the password, only with an app code, a recovery code or a passkey', async () => {
  const { person, userId, uri, codes, cookie } = await enrolled(harness);
  await rows`UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = ${userId}`;
  const password = await stepUp(cookie, { password: person.password });
  expect([password.status, password.body.code]).toEqual([401, 'second_factor_required']);
  const byApp = await stepUp(cookie, { totp: codeOf(uri) });
  expect(claimsIn(byApp.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
  const byCode = await stepUp(byApp.cookie, { recovery_code: codes[0] });
  expect(byCode.status).toBe(200);
  const renewed = await act(harness, byCode.cookie, '/api/auth/two-factor/recovery-codes');
  expect(renewed.body.recovery_codes).toHaveLength(10);
  const key = createAuthenticator();
  const asked = (await act(harness, byCode.cookie, '/api/auth/passkey/register/options')).body;
  const made = { challenge: asked.challenge, response: key.create(asked.options, { origin: OWN_ORIGIN }), name: 'key' };
  const registered = await act(harness, byCode.cookie, '/api/auth/passkey/register/verify', made);
  const { options, challenge } = (await send(harness, 'POST', '/api/auth/passkey/sign-in/options')).body;
  const passkey = { challenge, response: key.get(options, { origin: OWN_ORIGIN }) };
  const byKey = await stepUp(registered.cookie, { passkey });
  expect(claimsIn(byKey.body.tokens.access_token)).toMatchObject({ amr: ['hwk', 'user', 'mfa'] });
  expect((await readSession(harness, registered.cookie)).status).toBe(401);
});

test('a role that requires a second factor grants nothing to a single-factor session and everything to a two-factor one', async () => {
  const person = newPerson();
  const { cookie, body } = await signUp(harness, person);
  await rows`INSERT INTO user_roles (user_id, role) VALUES (${body.user.id}, 'admin')`;
  expect((await send(harness, 'GET', '/api/auth/factors', { cookie })).body).toMatchObject({
    totp: false,
    required: true,
  });
  const plain = await signIn(harness, person);
  const claims = claimsIn(plain.body.tokens.access_token);
  expect(claims.roles).not.toContain('admin');
  expect(claims.permissions).not.toContain('keys:manage');
  const { totp_uri: uri } = (
    await act(harness, plain.cookie, '/api/auth/two-factor/enable', { password: person.password })
  ).body;
  const confirmed = await act(harness, plain.cookie, '/api/auth/two-factor/confirm', { code: codeOf(uri) });
  const strong = claimsIn(confirmed.body.tokens.access_token);
  expect(strong.roles).toContain('admin');
  expect(strong.permissions).toContain('keys:manage');
});
