import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPeopledHarness, type PeopledHarness } from '#tools/testing/harness/people.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { findUserId } from '../users/find-user-id.ts';
import { explainSignIn } from './explain-sign-in.ts';

let harness: PeopledHarness;
beforeAll(async () => {
  harness = await openPeopledHarness();
});
afterAll(() => harness?.close());

const why = (userId: string, changes: object = {}) =>
  explainSignIn({ ...harness.deps, ...changes }, { user_id: userId });
const causes = async (userId: string, changes?: object) => {
  const { cause, also } = await why(userId, changes);
  return [cause, ...also.map((other) => other.cause)];
};

test('an account that can sign in: nothing, with the last sign-in and the command that lists its events', async () => {
  const user = await harness.signedIn({ hasPassword: true });
  const found = await why(user.id);
  expect(found).toMatchObject({ user_id: user.id, cause: 'nothing', refuses: false, also: [] });
  expect(found).toMatchObject({ email: user.email, act: null, since: expect.any(String) });
});

test('the states that refuse a sign-in are read from the rows that refuse it', async () => {
  const { id, email } = await harness.newUser({ hasPassword: true });
  const key = accountKeyOf(harness.deps, email);
  await harness.rows(
    `INSERT INTO login_failures (key, failures, locked_until) VALUES ($1, 5, now() + interval '10 minutes')`,
    [key],
  );
  expect(await causes(id)).toEqual(['password_locked']);
  await harness.rows('UPDATE login_failures SET failures = 100, stepped_up = true WHERE key = $1', [key]);
  expect(await why(id)).toMatchObject({ act: 'unlock', by_incident: true, failures: 100 });
  await harness.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [id]);
  expect(await causes(id)).toEqual(['disabled', 'password_closed']);
});

test('an invited user: until when the invitation is valid, or since when it is not', async () => {
  const { id } = await harness.newUser({ isVerified: false });
  const invite = `INSERT INTO invitations (id, user_id, expires_at) VALUES (gen_random_uuid(), $1, now() + interval '1 hour')`;
  await harness.rows(invite, [id]);
  expect(await causes(id, { verificationRequired: true })).toEqual(['invited']);
  expect(await why(id)).toMatchObject({ act: 'invite', until: expect.stringMatching(/^2/), is_expired: false });
  await harness.rows(`UPDATE invitations SET expires_at = now() - interval '1 hour' WHERE user_id = $1`, [id]);
  expect(await why(id)).toMatchObject({ until: expect.stringMatching(/^2/), is_expired: true });
});

test('an unverified address refuses only where the installation requires a verified one', async () => {
  const { id } = await harness.newUser({ hasPassword: true, isVerified: false });
  expect(await causes(id, { verificationRequired: true })).toEqual(['email_unverified']);
  expect(await causes(id, { verificationRequired: false })).toEqual(['nothing']);
});

test('sign-in methods, second factors and the limit of sessions are read as a sign-in reads them', async () => {
  const { id } = await harness.signedIn({ roles: ['auditor'] });
  expect(await causes(id)).toEqual(['no_sign_in_method']);
  await harness.rows(
    `INSERT INTO accounts (id, "accountId", "providerId", "userId", "updatedAt") VALUES ($1, $1, 'google', $1, now())`,
    [id],
  );
  expect(await causes(id, { secondFactorRoles: ['auditor'], sessionsPerAccount: 1 })).toEqual([
    'nothing',
    'no_password',
    'second_factor_missing',
    'session_limit',
  ]);
  await harness.rows(
    `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "lockedUntil")
     VALUES ($1, $1, 'x', 'x', true, now() + interval '10 minutes')`,
    [id],
  );
  expect(await causes(id, { secondFactorRoles: ['auditor'] })).toEqual(['second_factor_locked', 'no_password']);
  await harness.rows('UPDATE two_factors SET "failedVerificationCount" = 100, "lockedUntil" = NULL WHERE id = $1', [
    id,
  ]);
  expect(await causes(id)).toEqual(['second_factor_spent', 'no_password']);
});

test('a user is found by id or by e-mail address in any case; an unknown one is user_unknown', async () => {
  const { id, email } = await harness.newUser();
  expect(await findUserId(harness.deps, email.toUpperCase())).toBe(id);
  expect(await findUserId(harness.deps, id)).toBe(id);
  expect(await outcomeOf(findUserId(harness.deps, 'unknown@people.test'))).toBe('user_unknown');
  expect(await outcomeOf(why('no-such-user'))).toBe('user_unknown');
});
