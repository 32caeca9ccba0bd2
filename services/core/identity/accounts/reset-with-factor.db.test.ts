import { describe, expect, test } from 'vitest';
import { createApiKey } from '#services/core/api-keys/create-api-key.ts';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { openSessionFor, TWO_FACTORS } from '#tools/testing/flows/signed-in.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { endUserSessions } from '../admin/end-user-sessions.ts';
import { resetFactors } from '../admin/reset-factors.ts';
import { confirmTotpEnrolment, enrolTotp } from '../factors/enrol-totp.ts';
import { anonymous, cookieOf, type Holder, openFactorsHarness } from '../factors/factors-harness.ts';
import { registerPasskey } from '../factors/register-passkey.ts';
import { signInWithPasskey } from '../factors/sign-in-with-passkey.ts';
import type { CodePurpose } from '../mail/one-time-codes.store.ts';
import { issueCode } from '../mail/one-time-codes.ts';
import { endOwnSessions } from '../sessions/manage-sessions.ts';
import { signIn } from '../sign-in/sign-in.ts';
import { signOut } from '../sign-in/sign-out.ts';
import { changeEmail } from './change-email.ts';
import { acceptInvitation, resetPassword } from './password-by-code.ts';
import { unlockAccount } from './unlock-account.ts';
import { verifyEmail } from './verify-email.ts';

const harness = opened(openFactorsHarness);

type Who = Pick<Holder, 'id' | 'email'>;
const verified = (id: string) => harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${id}`;

/** The code of a mail to this user. */
async function codeFor(purpose: CodePurpose, { id, email }: Who, carries?: object): Promise<string> {
  const [user] = await harness.rows`SELECT "tokenEpoch" AS epoch FROM users WHERE id = ${id}`;
  const issued = await issueCode(harness.deps.sql, harness.deps, {
    id: harness.deps.random.uuid(),
    purpose,
    userId: id,
    userEpoch: user.epoch as number,
    email,
    lifeSeconds: 600,
    isUnasked: true,
    ...(carries ? { carries } : {}),
  });
  if (issued === null) throw new Error('no code');
  return issued.code;
}
type Sent = Omit<Parameters<typeof resetPassword>[1], 'token' | 'newPassword'>;
const reset = (token: string, sent: Sent = {}, newPass = newPassword()) =>
  outcomeOf(resetPassword(harness.deps, { token, newPassword: newPass, ...sent }, anonymous));
const weakSessions = async (id: string): Promise<number> =>
  (await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${id} AND acr <> 'aal2'`).length;

describe('a password reset by mail of an account with a second factor', () => {
  test('needs a code of the app: without it, or by a wrong one, the code of the mail stays valid (CVE-2026-133228, Keycloak: a sign-in that began at the reset page needed no second factor)', async () => {
    const holder = await harness.appHolder();
    await verified(holder.id);
    const token = await codeFor('reset_password', holder);
    const asked = await resetPassword(harness.deps, { token, newPassword: newPassword() }, anonymous).catch(
      (err: unknown) => err,
    );
    expect(asked).toMatchObject({
      code: 'second_factor_required',
      options: { members: { factors: ['totp', 'recovery_code'] } },
    });
    expect(await reset(token, { totp: '000000' })).toBe('second_factor_refused');
    expect(await harness.deps.auth.findSession(holder.cookie, true)).not.toBeNull();
    expect(await reset(token, { totp: codeOf(holder.uri, 1) })).toBe('ok');
    expect(await harness.deps.auth.findSession(holder.cookie, true)).toBeNull();
    expect(await reset(token, { totp: codeOf(holder.uri, 2) })).toBe('code_invalid');
  });

  test('takes a recovery code once, and none of a password that is refused', async () => {
    const holder = await harness.appHolder();
    await verified(holder.id);
    const token = await codeFor('reset_password', holder);
    const [recoveryCode] = holder.codes;
    expect(await reset(token, { recoveryCode }, 'short')).toBe('password_too_short');
    expect(await reset(token, { recoveryCode })).toBe('ok');
    expect(await reset(await codeFor('reset_password', holder), { recoveryCode })).toBe('second_factor_refused');
  });

  test('stays undone if its recovery code or the code of the mail is used in the meantime', async () => {
    const holder = await harness.appHolder();
    await verified(holder.id);
    const token = await codeFor('reset_password', holder);
    const send = () => reset(token, { recoveryCode: holder.codes[0] });
    const use = `UPDATE two_factors SET "backupCodes" = 'another list' WHERE "userId" = $1`;
    expect(await overtaken(harness.pool, holder.id, use, send)).toBe('second_factor_refused');
    const other = await harness.appHolder();
    await verified(other.id);
    const taken = await codeFor('reset_password', other);
    const { cookie } = await openSessionFor({ ports: harness.deps }, other.id, TWO_FACTORS);
    const redeemed = 'DELETE FROM one_time_codes WHERE user_id = $1';
    expect(await overtaken(harness.pool, other.id, redeemed, () => reset(taken, { cookie }))).toBe('code_invalid');
  });

  test('needs the factor of an account whose address is verified in the meantime', async () => {
    const holder = await harness.appHolder();
    const token = await codeFor('reset_password', holder);
    const verify = 'UPDATE users SET "emailVerified" = now() WHERE id = $1';
    expect(await overtaken(harness.pool, holder.id, verify, () => reset(token))).toBe('second_factor_refused');
    expect(await reset(token, { totp: codeOf(holder.uri, 1) })).toBe('ok');
  });

  test('by a user with a passkey alone takes the session that the passkey opened in this browser, and no other', async () => {
    const holder = await harness.keyHolder();
    await verified(holder.id);
    const token = await codeFor('reset_password', holder);
    const stranger = await harness.keyHolder();
    expect(await reset(token)).toBe('second_factor_required');
    expect(await reset(token, { cookie: stranger.cookie })).toBe('second_factor_required');
    const { challenge, response } = await harness.assertion(holder.key);
    const here = await signInWithPasskey(harness.deps, { challenge, response }, anonymous);
    expect(await reset(token, { cookie: cookieOf(here) })).toBe('ok');
    expect((await harness.rows`SELECT 1 FROM passkeys WHERE "userId" = ${holder.id}`).length).toBe(1);
  });

  test('leaves nothing of a thief who had the password: passkey, key, new address and session go with an administrator’s reset', async () => {
    const owner = await harness.person();
    await verified(owner.id);
    const key = createAuthenticator();
    const to = newEmail();
    const thief = await openSessionFor({ ports: harness.deps }, owner.id);
    const caller = await harness.callerBy(thief.cookie);
    const registered = await registerPasskey(harness.deps, await harness.newKey(key, caller), caller);
    const strong = await harness.callerBy(cookieOf(registered.signedIn));
    const ports = { ...harness.deps, apiKeysChanged: () => {} };
    const made = await createApiKey(ports, { name: 'thief' }, strong);
    await changeEmail(harness.deps, { newEmail: to }, strong);
    const move = await codeFor('change_email', { id: owner.id, email: to }, { sessionId: strong.sessionId as string });
    // The thief's factor is asked for as any other: mail alone is one factor.
    expect(await reset(await codeFor('reset_password', owner))).toBe('second_factor_required');
    const act = { user_id: owner.id, passkeys: true, reason: 'stolen' };
    await resetFactors(harness.deps, act, testCaller);
    const password = newPassword();
    expect(await reset(await codeFor('reset_password', owner), {}, password)).toBe('ok');
    const { challenge, response } = await harness.assertion(key);
    expect(await outcomeOf(signInWithPasskey(harness.deps, { challenge, response }, anonymous))).toBe(
      'passkey_refused',
    );
    const dead = `SELECT k.owner_epoch < u."tokenEpoch" AS "isDead" FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id = $1`;
    expect(await harness.rows(dead, [made.api_key.api_key_id])).toEqual([{ isDead: true }]);
    expect(await outcomeOf(verifyEmail(harness.deps, { token: move, password }, anonymous))).toBe('code_invalid');
    expect(await harness.rows`SELECT email FROM users WHERE id = ${owner.id}`).toEqual([{ email: owner.email }]);
    expect(await harness.deps.auth.findSession(thief.cookie, true)).toBeNull();
    expect(await harness.deps.auth.findSession(cookieOf(registered.signedIn), true)).toBeNull();
  });
});

test('no mailed code opens a session of one factor: each was tried on an account with an app', async () => {
  const acts: Readonly<Record<string, (who: Who) => Promise<unknown>>> = {
    verify_email: async (who) =>
      verifyEmail(harness.deps, { token: await codeFor('verify_email', who), password: harness.password }, anonymous),
    unlock_account: async (who) =>
      unlockAccount(harness.deps, { token: await codeFor('unlock_account', who) }, anonymous),
    reset_password: async (who) =>
      resetPassword(
        harness.deps,
        { token: await codeFor('reset_password', who), newPassword: newPassword() },
        anonymous,
      ),
    invitation: async (who) =>
      acceptInvitation(
        harness.deps,
        { token: await codeFor('invitation', who), newPassword: newPassword() },
        anonymous,
      ),
  };
  for (const isVerified of [true, false])
    for (const [purpose, redeem] of Object.entries(acts)) {
      const holder = await harness.appHolder();
      if (isVerified) await verified(holder.id);
      await redeem(holder).catch(() => {});
      expect(await weakSessions(holder.id), `${purpose} ${isVerified}`).toBe(0);
    }
});

test('nor does one of an account that owes a factor: the next sign-in still asks to enrol it', async () => {
  const acts: Readonly<Record<string, (token: string) => Promise<unknown>>> = {
    verify_email: (token) => verifyEmail(harness.deps, { token, password: harness.password }, anonymous),
    unlock_account: (token) => unlockAccount(harness.deps, { token }, anonymous),
    reset_password: (token) => resetPassword(harness.deps, { token, newPassword: harness.password }, anonymous),
    invitation: (token) => acceptInvitation(harness.deps, { token, newPassword: harness.password }, anonymous),
  };
  for (const [purpose, redeem] of Object.entries(acts)) {
    const person = await harness.person();
    await verified(person.id);
    await harness.rows`UPDATE users SET "owesFactor" = true WHERE id = ${person.id}`;
    await redeem(await codeFor(purpose as CodePurpose, person)).catch(() => {});
    expect(await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${person.id}`, purpose).toEqual([]);
    const refusal = signIn(harness.deps, { email: person.email, password: harness.password }, anonymous);
    await expect(refusal, purpose).rejects.toMatchObject({
      code: 'second_factor_required',
      options: { members: { factors: ['enrolment'] } },
    });
  }
});

describe('the code of a new address', () => {
  async function moving() {
    const holder = await harness.person();
    await verified(holder.id);
    const to = newEmail();
    const other = await openSessionFor({ ports: harness.deps }, holder.id);
    const token = await codeFor('change_email', { id: holder.id, email: to }, { sessionId: holder.sessionId });
    return { ...holder, to, token, other: await harness.callerBy(other.cookie) };
  }
  const redeem = (token: string) =>
    outcomeOf(verifyEmail(harness.deps, { token, password: harness.password }, anonymous));

  test('is redeemed with the password while the session that asked for it lives', async () => {
    const { id, to, token } = await moving();
    expect(await redeem(token)).toBe('ok');
    expect(await harness.rows`SELECT email FROM users WHERE id = ${id}`).toEqual([{ email: to }]);
  });

  test('is void if it names no session that asked for it, as those of earlier versions', async () => {
    const { id, email, to } = await moving();
    expect(await redeem(await codeFor('change_email', { id, email: to }))).toBe('code_invalid');
    expect(await harness.rows`SELECT email FROM users WHERE id = ${id}`).toEqual([{ email }]);
  });

  test.each<[string, (who: Awaited<ReturnType<typeof moving>>) => Promise<unknown>]>([
    ['ends all sessions', ({ caller }) => endOwnSessions(harness.deps, { keepsCurrent: false }, caller)],
    ['ends all others elsewhere', ({ other }) => endOwnSessions(harness.deps, { keepsCurrent: true }, other)],
    ['signs out', ({ caller }) => signOut(harness.deps, {}, caller)],
    [
      'is signed out by an administrator',
      ({ id }) => endUserSessions(harness.deps, { user_id: id, reason: 'stolen' }, testCaller),
    ],
  ])('is void once the user %s', async (_by, end) => {
    const who = await moving();
    await end(who);
    expect(await redeem(who.token)).toBe('code_invalid');
    expect(await harness.rows`SELECT email FROM users WHERE id = ${who.id}`).toEqual([{ email: who.email }]);
  });
});

test('an authenticator app that is added after a passkey leaves the recovery codes, also if it is never confirmed', async () => {
  const holder = await harness.person();
  const key = createAuthenticator();
  const registered = await registerPasskey(harness.deps, await harness.newKey(key, holder.caller), holder.caller);
  const caller = await harness.callerBy(cookieOf(registered.signedIn));
  const row = () => harness.rows`SELECT "backupCodes", "codesLeft" FROM two_factors WHERE "userId" = ${holder.id}`;
  const before = await row();
  const enrolment = await enrolTotp(harness.deps, { password: harness.password }, caller);
  expect(enrolment.recoveryCodes).toEqual([]);
  expect(enrolment.totpUri).toContain('secret=');
  expect(await row()).toEqual(before);
  const confirmed = await confirmTotpEnrolment(harness.deps, { code: codeOf(enrolment.totpUri) }, caller);
  const strong = await harness.callerBy(cookieOf(confirmed));
  expect(await outcomeOf(enrolTotp(harness.deps, { password: harness.password }, strong))).toBe('factor_conflict');
});
