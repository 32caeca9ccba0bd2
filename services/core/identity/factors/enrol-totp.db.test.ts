import { describe, expect, test } from 'vitest';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { openSessionFor, TWO_FACTORS } from '#tools/testing/flows/signed-in.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { resetFactors } from '../admin/reset-factors.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { deleteFactors } from '../users/accounts.store.ts';
import { confirmTotpEnrolment, enrolTotp } from './enrol-totp.ts';
import { anonymous, cookieOf, type FactorsHarness, openFactorsHarness } from './factors-harness.ts';
import { listFactors } from './own-factors.ts';
import { isPendingTotp } from './pending-totp.ts';
import { registerPasskey } from './register-passkey.ts';
import { removePasskey, removeTotpFactor } from './remove-factor.ts';
import { renewRecoveryCodes } from './renew-recovery-codes.ts';
import { verifyCode } from './verify-code.ts';

const harness = opened(() => openFactorsHarness({ MFA_REQUIRED_ROLES: 'admin' }));

const { request } = testCaller;
const eventsOf = async (id: string) =>
  (
    await harness.rows`SELECT type, detail->>'factor' AS factor FROM audit_outbox
      WHERE target_id = ${id} AND type ~ '^(factor|recovery_code)' ORDER BY id`
  ).map(({ type, factor }) => (factor === null ? type : `${type} ${factor}`));
const isLive = async (cookie: string) => (await findByCookie(harness.deps, cookie)) !== null;

describe('enrolling an authenticator app', () => {
  test('the factor becomes active with its first code; a two-factor session replaces all existing sessions', async () => {
    const { id, cookie, caller } = await harness.person();
    const other = await openSessionFor({ ports: harness.deps }, id);
    expect(await outcomeOf(enrolTotp(harness.deps, { password: 'not the right one' }, caller))).toBe(
      'current_password_wrong',
    );
    const { totpUri, recoveryCodes } = await enrolTotp(harness.deps, { password: harness.password }, caller);
    expect(new Set(recoveryCodes).size).toBe(10);
    const [row] = await harness.rows`SELECT * FROM two_factors WHERE "userId" = ${id}`;
    expect(row).toMatchObject({ verified: false, codesLeft: 10 });
    expect(JSON.stringify(row)).not.toContain(recoveryCodes[0]);
    expect(JSON.stringify(row)).not.toContain(new URL(totpUri).searchParams.get('secret'));
    expect(await listFactors(harness.deps, {}, caller)).toMatchObject({ totp: false, recovery_codes_left: 0 });
    expect(await outcomeOf(confirmTotpEnrolment(harness.deps, { code: 'wrong' }, caller))).toBe('factor_code_wrong');
    expect(await isLive(other.cookie)).toBe(true);

    const confirmed = await confirmTotpEnrolment(harness.deps, { code: codeOf(totpUri), cookie }, caller);
    expect(claimsIn(confirmed.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
    expect([await isLive(cookie), await isLive(other.cookie), await isLive(cookieOf(confirmed))]).toEqual([
      false,
      false,
      true,
    ]);
    const strong = await harness.callerBy(cookieOf(confirmed));
    expect(await listFactors(harness.deps, {}, strong)).toEqual({
      totp: true,
      passkeys: 0,
      recovery_codes_left: 10,
      required: false,
    });
    expect(await eventsOf(id)).toEqual(['recovery_codes.made', 'factor.enrolled totp']);
    expect(await outcomeOf(enrolTotp(harness.deps, { password: harness.password }, strong))).toBe('factor_conflict');
    const again = { code: codeOf(totpUri, 1) };
    expect(await outcomeOf(confirmTotpEnrolment(harness.deps, again, strong))).toBe('factor_conflict');
  });

  test('only the newest enrolment waits for its code, and only until then, with exactly its secret and codes', async () => {
    const { caller, cookie } = await harness.person();
    const none = { totpUri: 'otpauth://totp/x?secret=A', recoveryCodes: [] };
    expect(await isPendingTotp(harness.deps, none, caller)).toBe(false);
    const enrol = () => enrolTotp(harness.deps, { password: harness.password }, caller);
    const [replaced, newest] = [await enrol(), await enrol()];
    expect(await isPendingTotp(harness.deps, replaced, caller)).toBe(false);
    expect(await isPendingTotp(harness.deps, { ...newest, recoveryCodes: replaced.recoveryCodes }, caller)).toBe(false);
    expect(await isPendingTotp(harness.deps, newest, caller)).toBe(true);
    const { setCookie } = await confirmTotpEnrolment(harness.deps, { code: codeOf(newest.totpUri), cookie }, caller);
    expect(await isPendingTotp(harness.deps, newest, await harness.callerBy(cookieOf({ setCookie })))).toBe(false);
  });

  test('enrolling again gives another secret, and codes of the first are rejected', async () => {
    const { caller } = await harness.person();
    const asks = () => enrolTotp(harness.deps, { password: harness.password }, caller);
    const [first, second] = [await asks(), await asks()];
    const confirm = (uri: string) => outcomeOf(confirmTotpEnrolment(harness.deps, { code: codeOf(uri) }, caller));
    expect([await confirm(first.totpUri), await confirm(second.totpUri)]).toEqual(['factor_code_wrong', 'ok']);
  });

  test('without an enrolment there is nothing to confirm, and enrolling requires a session', async () => {
    const { id, caller } = await harness.person();
    expect(await outcomeOf(confirmTotpEnrolment(harness.deps, { code: '123456' }, caller))).toBe('factor_conflict');
    const enrol = (as: Parameters<typeof enrolTotp>[2]) =>
      outcomeOf(enrolTotp(harness.deps, { password: harness.password }, as));
    expect(await enrol(anonymous)).toBe('unauthenticated');
    expect(await enrol({ ...caller, sessionId: null })).toBe('unauthenticated');
    expect(await enrol({ ...caller, clientId: 'another' })).toBe('permission_missing');
    expect(await harness.rows`SELECT 1 FROM two_factors WHERE "userId" = ${id}`).toEqual([]);
  });

  test('an account without a password cannot enrol by password', async () => {
    const { id, caller } = await harness.person();
    await harness.rows`UPDATE accounts SET password = NULL WHERE "userId" = ${id}`;
    const session = await openSessionFor({ ports: harness.deps }, id);
    const again = await harness.callerBy(session.cookie);
    expect(caller.userId).toBe(again.userId);
    expect(await outcomeOf(enrolTotp(harness.deps, { password: harness.password }, again))).toBe(
      'current_password_wrong',
    );
  });

  test('a role that requires a second factor is reported until the user has one', async () => {
    const { id, caller } = await harness.person();
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${id}, 'admin')`;
    expect(await listFactors(harness.deps, {}, caller)).toMatchObject({ totp: false, required: true });
  });
});

describe('renewing recovery codes', () => {
  test('invalidates the previous ten and accepts the new ones', async () => {
    const { id, codes, caller } = await harness.appHolder();
    const { recovery_codes: recoveryCodes } = await renewRecoveryCodes(harness.deps, {}, caller);
    expect(new Set([...recoveryCodes, ...codes]).size).toBe(20);
    expect(await verifyCode(harness.deps, id, { recoveryCode: codes[0] })).toBeNull();
    expect(await verifyCode(harness.deps, id, { recoveryCode: recoveryCodes[0] })).not.toBeNull();
    expect((await eventsOf(id)).at(-1)).toBe('recovery_codes.made');
  });

  test('is refused without a factor', async () => {
    const { caller } = await harness.person();
    expect(await outcomeOf(renewRecoveryCodes(harness.deps, {}, caller))).toBe('factor_conflict');
  });
});

describe('removing a factor', () => {
  test('removes the app with its codes and every existing session; the new session still has two factors', async () => {
    const { id, cookie, caller } = await harness.appHolder();
    const other = await openSessionFor({ ports: harness.deps }, id, TWO_FACTORS);
    const removed = await removeTotpFactor(harness.deps, { cookie }, caller);
    expect(claimsIn(removed.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
    expect([await isLive(cookie), await isLive(other.cookie), await isLive(cookieOf(removed))]).toEqual([
      false,
      false,
      true,
    ]);
    expect(await harness.rows`SELECT 1 FROM two_factors WHERE "userId" = ${id}`).toEqual([]);
    expect((await eventsOf(id)).at(-1)).toBe('factor.removed totp');
    const again = await harness.callerBy(cookieOf(removed));
    expect(await outcomeOf(removeTotpFactor(harness.deps, {}, again))).toBe('factor_conflict');
  });

  type Holder = Awaited<ReturnType<FactorsHarness['appHolder']>>;
  test.each<[string, (holder: Holder) => Promise<unknown>]>([
    ['its owner', ({ cookie, caller }) => removeTotpFactor(harness.deps, { cookie }, caller)],
    [
      'an administrator',
      ({ id }) => resetFactors(harness.deps, { user_id: id, passkeys: true, reason: 'lost' }, testCaller),
    ],
    ['a takeover', ({ id }) => harness.deps.transact((tx) => deleteFactors(tx, id))],
    ['hand', ({ id }) => harness.rows`UPDATE two_factors SET verified = false WHERE "userId" = ${id}`],
  ])('the flag on the user’s row is cleared when the app is removed by %s', async (_by, remove) => {
    const holder = await harness.appHolder();
    const flag = () => harness.rows`SELECT "twoFactorEnabled" AS flag FROM users WHERE id = ${holder.id}`;
    expect(await flag()).toEqual([{ flag: true }]);
    await remove(holder);
    expect(await flag()).toEqual([{ flag: false }]);
  });

  test('a single-factor session removes no factor, even if the route lets it through', async () => {
    const { id, caller } = await harness.appHolder();
    await harness.rows`UPDATE sessions SET acr = 'aal1' WHERE "userId" = ${id}`;
    expect(await outcomeOf(removeTotpFactor(harness.deps, {}, caller))).toBe('step_up_required');
    expect(await harness.rows`SELECT verified FROM two_factors WHERE "userId" = ${id}`).toEqual([{ verified: true }]);
  });

  test('recovery codes stay while a passkey remains, and are removed with it', async () => {
    const { id, caller } = await harness.appHolder();
    const registered = await registerPasskey(harness.deps, await harness.newKey(createAuthenticator(), caller), caller);
    expect(registered.recoveryCodes).toBeNull();
    const strong = await harness.callerBy(cookieOf(registered.signedIn));
    const without = await harness.callerBy(cookieOf(await removeTotpFactor(harness.deps, {}, strong)));
    expect(await listFactors(harness.deps, {}, without)).toMatchObject({
      totp: false,
      passkeys: 1,
      recovery_codes_left: 10,
    });
    await removePasskey(harness.deps, { id: registered.passkeyId }, without);
    expect(await harness.rows`SELECT 1 FROM two_factors WHERE "userId" = ${id}`).toEqual([]);
  });

  test('another user’s passkey is passkey_unknown, and stays', async () => {
    const [one, other] = [await harness.keyHolder(), await harness.keyHolder()];
    const remove = removePasskey(harness.deps, { id: other.registered.passkeyId }, one.caller);
    expect(await outcomeOf(remove)).toBe('passkey_unknown');
    expect(await harness.rows`SELECT 1 FROM passkeys WHERE "userId" = ${other.id}`).toHaveLength(1);
    expect(await isLive(one.cookie)).toBe(true);
  });
});

describe('resetting lost factors', () => {
  const reset = (userId: string, passkeys: boolean, caller = testCaller) =>
    resetFactors(harness.deps, { user_id: userId, passkeys, reason: 'lost the telephone' }, caller);
  const facts = (id: string) =>
    harness.rows`SELECT (SELECT count(*)::int FROM passkeys WHERE "userId" = ${id}) AS passkeys,
      (SELECT count(*)::int FROM two_factors WHERE "userId" = ${id}) AS codes`;
  const resetEventsOf = (id: string) =>
    harness.rows`SELECT detail FROM audit_outbox WHERE type = 'user.factors_reset' AND target_id = ${id} ORDER BY id`;
  const mails = async () => (await harness.rows`SELECT 1 FROM mail_outbox WHERE template = 'factors_reset'`).length;

  test('removes the app, ends every session, records the reason, and a mail notifies the owner', async () => {
    const { id, cookie } = await harness.appHolder();
    const before = await mails();
    expect(await reset(id, false)).toMatchObject({ id });
    expect(await facts(id)).toEqual([{ passkeys: 0, codes: 0 }]);
    expect(await isLive(cookie)).toBe(false);
    expect(await resetEventsOf(id)).toEqual([{ detail: { totp: true, passkeys: 0, reason: 'lost the telephone' } }]);
    expect(await mails()).toBe(before + 1);
  });

  test('removes passkeys only on request; without anything to remove it is refused', async () => {
    const { id, cookie } = await harness.keyHolder();
    expect(await outcomeOf(reset(id, false))).toBe('factors_absent');
    expect(await isLive(cookie)).toBe(true);
    await reset(id, true);
    expect(await facts(id)).toEqual([{ passkeys: 0, codes: 0 }]);
    expect(await resetEventsOf(id)).toEqual([{ detail: { totp: false, passkeys: 1, reason: 'lost the telephone' } }]);
    expect(await outcomeOf(reset(id, true))).toBe('factors_absent');
  });

  test('is refused without every right of the owner, and for an unknown account', async () => {
    const { id } = await harness.appHolder();
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${id}, 'admin')`;
    expect(await outcomeOf(reset(id, true, { ...anonymous, request }))).toBe('rights_exceeded');
    expect(await facts(id)).toEqual([{ passkeys: 0, codes: 1 }]);
    expect(await outcomeOf(reset('no such user', true))).toBe('user_unknown');
  });
});
