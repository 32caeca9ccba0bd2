import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createAuthenticator } from '../../../platform/testing/counterparts/authenticator.ts';
import { codeOf } from '../../../platform/testing/counterparts/totp.ts';
import { act, answer, enrolled } from '../../../platform/testing/flows/factor-flows.ts';
import { claimsIn } from '../../../platform/testing/flows/flows.ts';
import { OWN_ORIGIN, readSession, signIn, signUp } from '../../../platform/testing/flows/identity-flows.ts';
import { overtaken } from '../../../platform/testing/overtaken.ts';
import {
  type IdentityWorld,
  newPerson,
  openIdentityWorld,
  send,
} from '../../../platform/testing/worlds/identity-world.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let world: IdentityWorld;
beforeAll(async () => {
  world = await openIdentityWorld({ env: { MFA_REQUIRED_ROLES: 'admin' } });
});
afterAll(() => world?.close());

const rows: IdentityWorld['rows'] = (text, values) => world.rows(text, values);
const stepUp = (cookie: string, body: object) => act(world, cookie, '/api/auth/step-up', body);
/** The login of this session is eleven minutes old; no copy of it is kept in Redis. */
async function age(sessionId: string): Promise<void> {
  const [{ token }] = await rows(
    `UPDATE sessions SET "createdAt" = now() - interval '11 minutes' WHERE id = $1 RETURNING token`,
    [sessionId],
  );
  await world.deps.auth.forget(token);
}

test('U7 U8 a login of eleven minutes enrols nothing; the password gives a new session with its own time, and the old one is dead', async () => {
  const person = newPerson();
  const { cookie, body } = await signUp(world, person);
  const before = body.session;
  await age(before.id);
  const refused = await act(world, cookie, '/api/auth/two-factor/enable', { password: person.password });
  expect([refused.status, refused.body.code]).toEqual([403, 'step_up_required']);
  expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_user_authentication"');
  expect((await stepUp(cookie, { password: 'not the right one' })).body.code).toBe('current_password_wrong');
  expect((await stepUp(cookie, { totp: '123456' })).body.code).toBe('second_factor_refused');
  expect((await stepUp(cookie, {})).body.code).toBe('second_factor_refused');

  const fresh = await stepUp(cookie, { password: person.password });
  expect(fresh.status).toBe(200);
  expect(fresh.body.session.id).not.toBe(before.id);
  expect(fresh.body.session.expiresAt).toBe(before.expiresAt);
  const claims = claimsIn(fresh.body.tokens.access_token);
  expect(claims).toMatchObject({ sid: fresh.body.session.id, acr: 'aal1', amr: ['pwd'] });
  expect(claims.auth_time).toBeGreaterThanOrEqual(Math.floor(Date.now() / 1_000) - 120);
  expect((await readSession(world, cookie)).status).toBe(401);
  const [family] = await rows(`SELECT revoked_at FROM refresh_families WHERE sid = $1`, [before.id]);
  expect(family.revoked_at).not.toBeNull();
  const enabled = await act(world, fresh.cookie, '/api/auth/two-factor/enable', { password: person.password });
  expect(enabled.status).toBe(200);
  const events = await rows(
    `SELECT outcome FROM audit_outbox WHERE type = 'user.stepped_up' AND target_id = $1 ORDER BY id`,
    [body.user.id],
  );
  expect(events.map(({ outcome }) => outcome)).toEqual(['refused', 'refused', 'ok']);
});

test('who has a second factor steps up with it: the password is refused, a code counts once, a recovery code too', async () => {
  const { person, userId, uri, codes, cookie } = await enrolled(world);
  await rows('UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = $1', [userId]);
  const password = await stepUp(cookie, { password: person.password });
  expect([password.status, password.body.code]).toEqual([401, 'second_factor_required']);
  const code = codeOf(uri);
  const fresh = await stepUp(cookie, { totp: code });
  expect(claimsIn(fresh.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
  expect((await stepUp(fresh.cookie, { totp: code })).body.code).toBe('second_factor_refused');
  const again = await stepUp(fresh.cookie, { recovery_code: codes[0] });
  expect(again.status).toBe(200);
  expect((await stepUp(again.cookie, { recovery_code: codes[0] })).body.code).toBe('second_factor_refused');
});

test('U7 a session that ends, or a code that is used, while a step-up waits opens nothing', async () => {
  const { userId, uri, cookie } = await enrolled(world);
  await rows('UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = $1', [userId]);
  const asks = () => stepUp(cookie, { totp: codeOf(uri) });
  const use = `UPDATE two_factors SET "lastUsedStep" = 99999999 WHERE "userId" = $1`;
  expect((await overtaken(world.pool, userId, use, asks)).body.code).toBe('second_factor_refused');
  expect((await readSession(world, cookie)).status).toBe(200);
  await rows('UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = $1', [userId]);
  const end = `DELETE FROM sessions WHERE "userId" = $1`;
  expect((await overtaken(world.pool, userId, end, asks)).body.code).toBe('unauthenticated');
  expect(await rows('SELECT 1 FROM sessions WHERE "userId" = $1', [userId])).toEqual([]);
});

test('another’s passkey steps nobody up, one’s own does', async () => {
  const register = async (): Promise<{ cookie: string; key: ReturnType<typeof createAuthenticator> }> => {
    const { cookie } = await signUp(world, newPerson());
    const key = createAuthenticator();
    const { options, challenge } = (await act(world, cookie, '/api/auth/passkey/register/options')).body;
    const response = key.create(options, { origin: OWN_ORIGIN });
    const made = await act(world, cookie, '/api/auth/passkey/register/verify', { challenge, response, name: 'key' });
    return { cookie: made.cookie, key };
  };
  const [one, other] = [await register(), await register()];
  const proofOf = async ({ key }: typeof one): Promise<object> => {
    const { options, challenge } = (await send(world, 'POST', '/api/auth/passkey/sign-in/options')).body;
    return { passkey: { challenge, response: key.get(options, { origin: OWN_ORIGIN }) } };
  };
  expect((await stepUp(one.cookie, await proofOf(other))).body.code).toBe('passkey_refused');
  expect((await readSession(world, one.cookie)).status).toBe(200);
  const fresh = await stepUp(one.cookie, await proofOf(one));
  expect(fresh.status).toBe(200);
  expect(claimsIn(fresh.body.tokens.access_token)).toMatchObject({ amr: ['hwk', 'user', 'mfa'] });
  expect((await readSession(world, one.cookie)).status).toBe(401);
});

test('a role that asks for a second factor gives nothing to a login of one, and everything to one of two', async () => {
  const person = newPerson();
  const { cookie, body } = await signUp(world, person);
  await rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [body.user.id]);
  expect((await send(world, 'GET', '/api/auth/factors', { cookie })).body).toMatchObject({
    totp: false,
    required: true,
  });
  const plain = await signIn(world, person);
  const claims = claimsIn(plain.body.tokens.access_token);
  expect(claims.roles).not.toContain('admin');
  expect(claims.permissions).not.toContain('keys:manage');
  const { totp_uri: uri } = (
    await act(world, plain.cookie, '/api/auth/two-factor/enable', { password: person.password })
  ).body;
  const confirmed = await act(world, plain.cookie, '/api/auth/two-factor/confirm', { code: codeOf(uri) });
  const strong = claimsIn(confirmed.body.tokens.access_token);
  expect(strong.roles).toContain('admin');
  expect(strong.permissions).toContain('keys:manage');
});

test('removing the authenticator app ends every session of before and asks for two factors; its codes go with it', async () => {
  const { person, userId, uri, codes, cookie } = await enrolled(world);
  await rows('UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = $1', [userId]);
  const other = await answer(world, { challenge: (await signIn(world, person)).body.challenge, totp: codeOf(uri) });
  const renewed = await act(world, cookie, '/api/auth/two-factor/recovery-codes');
  expect(renewed.body.recovery_codes).toHaveLength(10);
  expect(renewed.body.recovery_codes).not.toContain(codes[0]);
  const { challenge } = (await signIn(world, person)).body;
  expect((await answer(world, { challenge, recovery_code: codes[0] })).status).toBe(401);
  await rows(`UPDATE sessions SET acr = 'aal1' WHERE "userId" = $1`, [userId]);
  expect((await act(world, cookie, '/api/auth/two-factor/disable')).body.code).toBe('step_up_required');
  await rows(`UPDATE sessions SET acr = 'aal2' WHERE "userId" = $1`, [userId]);
  const removed = await act(world, cookie, '/api/auth/two-factor/disable');
  expect(removed.status).toBe(200);
  for (const ended of [cookie, other.cookie]) expect((await readSession(world, ended)).status).toBe(401);
  expect((await act(world, removed.cookie, '/api/auth/two-factor/disable')).body.code).toBe('factor_conflict');
  expect((await act(world, removed.cookie, '/api/auth/two-factor/recovery-codes')).body.code).toBe('factor_conflict');
  expect((await signIn(world, person)).status).toBe(200);
  const events = await rows(`SELECT type FROM audit_outbox WHERE target_id = $1 AND type = 'factor.removed'`, [userId]);
  expect(events).toHaveLength(1);
});
