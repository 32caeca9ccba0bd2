import { describe, expect, test } from 'vitest';
import { openPeopledHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { verifyEmail } from '../accounts/verify-email.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { findUserId } from '../users/find-user-id.ts';
import { disableUser } from './disable-user.ts';
import { explainSignIn } from './explain-sign-in.ts';
import { changeUserEmail, sendPasswordMail, verifyUserEmail } from './help-user.ts';
import { inviteUser } from './invite-user.ts';

const reason = 'seen in person';
const newEmail = () => `new-${crypto.randomUUID()}@people.test`;

const harness = opened(openPeopledHarness);

const admin = () => harness.signedIn({ roles: ['admin'] });
const helpOf = async (id: string) => (await harness.eventsOf(id)).filter(({ type }) => type === 'user.helped');
const templatesTo = async (email: string) => (await harness.mailsTo(email)).map(({ template }) => template);

test('a mail for a new password goes to the address of the account, and the log says who asked for it and why', async () => {
  const [by, user] = [await admin(), await harness.newUser({ hasPassword: true })];
  expect(await sendPasswordMail(harness.deps, { user_id: user.id, reason }, by.caller)).toMatchObject({ id: user.id });
  expect(await templatesTo(user.email)).toEqual(['reset_password']);
  expect(await helpOf(user.id)).toMatchObject([{ actor_id: by.id, detail: { act: 'password_mail', reason } }]);
  await disableUser(harness.deps, { user_id: user.id, reason }, by.caller);
  expect(await outcomeOf(sendPasswordMail(harness.deps, { user_id: user.id, reason }, by.caller))).toBe(
    'account_disabled',
  );
});

test('a vouched address is verified once, and the invitation of the account ends without its roles', async () => {
  const { id, email } = await inviteUser(
    harness.deps,
    { email: newEmail(), roles: ['auditor'], reason },
    harness.system,
  );
  const code = await harness.codeFor('verify_email', { id, email });
  const given = { user_id: id, reason };
  const done = await verifyUserEmail(harness.deps, given, (await admin()).caller);
  expect(done).toMatchObject({ email_verified_at: expect.any(String), roles: ['user'], invited_roles: [] });
  expect(await outcomeOf(verifyEmail(harness.deps, { token: code }, harness.system))).toBe('code_invalid');
  await verifyUserEmail(harness.deps, given, harness.system);
  expect(await helpOf(id)).toMatchObject([{ detail: { act: 'email_verified', reason } }]);
});

describe('a changed address', () => {
  test('counts at once; the old one is told, its codes are void, and sessions go on', async () => {
    const [by, user, to] = [await admin(), await harness.signedIn({ hasPassword: true }), newEmail()];
    await harness.codeFor('reset_password', user);
    await harness.codeFor('change_email', { id: user.id, email: newEmail() });
    const given = { user_id: user.id, reason, email: to.toUpperCase() };
    const changed = await changeUserEmail(harness.deps, given, by.caller);
    expect(changed).toMatchObject({ email: to, email_verified_at: expect.any(String), sessions: 1 });
    expect((await harness.deps.auth.findSession(user.cookie, true))?.user.email).toBe(to);
    expect([await templatesTo(user.email), await templatesTo(to)]).toEqual([['email_changed'], []]);
    expect(await harness.rows`SELECT purpose FROM one_time_codes WHERE user_id = ${user.id}`).toEqual([]);
    expect(await helpOf(user.id)).toMatchObject([{ actor_id: by.id, detail: { act: 'email_changed', reason } }]);
    const events = (await harness.eventsOf(user.id)).map(({ type, detail }) => JSON.stringify([type, detail]));
    expect(events.join()).not.toContain('@');
    await changeUserEmail(harness.deps, given, by.caller);
    expect(await helpOf(user.id)).toHaveLength(1);
  });

  test('stays unverified if the old one was', async () => {
    const user = await harness.newUser({ isVerified: false });
    const given = { user_id: user.id, reason, email: newEmail() };
    // As the command line, which keeps no sessions in memory.
    const { auth: _, ...ports } = harness.deps;
    expect(await changeUserEmail(ports, given, harness.system)).toMatchObject({ email_verified_at: null });
  });

  test('is refused if another account has it, or while an incident keeps the account closed', async () => {
    const [user, other] = [await harness.newUser(), await harness.newUser()];
    const change = (email: string) =>
      changeUserEmail(harness.deps, { user_id: user.id, reason, email }, harness.system);
    expect(await outcomeOf(change(other.email))).toBe('email_taken');
    await harness.rows`INSERT INTO login_failures (key, failures, stepped_up)
      VALUES (${accountKeyOf(harness.deps, user.email)}, 100, true)`;
    expect(await outcomeOf(change(newEmail()))).toBe('login_locked');
    expect(await harness.accountOf(user.id)).toMatchObject({ email: user.email });
    expect(await helpOf(user.id)).toEqual([]);
  });
});

describe('a help desk helps no account to more rights than its own', () => {
  test('neither one that has them nor one that is invited to them', async () => {
    const [by, boss] = [await harness.signedIn({ roles: ['operator'] }), await admin()];
    const invited = await inviteUser(harness.deps, { email: newEmail(), roles: ['admin'], reason }, harness.system);
    const given = { user_id: boss.id, reason, email: newEmail() };
    for (const act of [sendPasswordMail, verifyUserEmail, changeUserEmail])
      expect(await outcomeOf(act(harness.deps, given, by.caller))).toBe('rights_exceeded');
    const redirected = changeUserEmail(harness.deps, { ...given, user_id: invited.id }, by.caller);
    expect(await outcomeOf(redirected)).toBe('rights_exceeded');
    expect(await outcomeOf(sendPasswordMail(harness.deps, { user_id: 'nobody', reason }, by.caller))).toBe(
      'user_unknown',
    );
  });
});

const why = (userId: string, changes: object = {}) =>
  explainSignIn({ ...harness.deps, ...changes }, { user_id: userId });
const causes = async (userId: string, changes?: object) => {
  const { cause, also } = await why(userId, changes);
  return [cause, ...also.map((other) => other.cause)];
};

test('an account that can sign in: nothing, with the last sign-in', async () => {
  const { id, email } = await harness.signedIn({ hasPassword: true });
  const since = expect.any(String);
  expect(await why(id)).toEqual({ user_id: id, email, cause: 'nothing', refuses: false, act: null, since, also: [] });
});

test('the states that refuse a sign-in are read from the rows that refuse it', async () => {
  const { id, email } = await harness.newUser({ hasPassword: true });
  const key = accountKeyOf(harness.deps, email);
  await harness.rows`INSERT INTO login_failures (key, failures, locked_until)
    VALUES (${key}, 5, now() + interval '10 minutes')`;
  expect(await causes(id)).toEqual(['password_locked']);
  await harness.rows`UPDATE login_failures SET failures = 100, stepped_up = true WHERE key = ${key}`;
  expect(await why(id)).toMatchObject({ act: 'unlock', by_incident: true, failures: 100 });
  await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
  expect(await causes(id)).toEqual(['disabled', 'password_closed']);
});

test('an invited user: until when the invitation is valid, or since when it is not', async () => {
  const { id } = await harness.newUser({ isVerified: false });
  const invite = `INSERT INTO invitations (id, user_id, expires_at) VALUES (gen_random_uuid(), $1, now() + interval '1 hour')`;
  await harness.rows(invite, [id]);
  expect(await causes(id, { verificationRequired: true })).toEqual(['invited']);
  expect(await why(id)).toMatchObject({ act: 'invite', until: expect.stringMatching(/^2/), is_expired: false });
  await harness.rows`UPDATE invitations SET expires_at = now() - interval '1 hour' WHERE user_id = ${id}`;
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
  await harness.rows`INSERT INTO accounts (id, "accountId", "providerId", "userId", "updatedAt")
    VALUES (${id}, ${id}, 'google', ${id}, now())`;
  expect(await causes(id, { secondFactorRoles: ['auditor'], sessionsPerAccount: 1 })).toEqual([
    'nothing',
    'no_password',
    'second_factor_missing',
    'session_limit',
  ]);
  await harness.rows`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "lockedUntil")
    VALUES (${id}, ${id}, 'x', 'x', true, now() + interval '10 minutes')`;
  expect(await causes(id, { secondFactorRoles: ['auditor'] })).toEqual(['second_factor_locked', 'no_password']);
  await harness.rows`UPDATE two_factors SET "failedVerificationCount" = 100, "lockedUntil" = NULL WHERE id = ${id}`;
  expect(await causes(id)).toEqual(['second_factor_spent', 'no_password']);
});

test('a user is found by id or by e-mail address in any case; an unknown one is user_unknown', async () => {
  const { id, email } = await harness.newUser();
  expect(await findUserId(harness.deps, email.toUpperCase())).toBe(id);
  expect(await findUserId(harness.deps, id)).toBe(id);
  expect(await outcomeOf(findUserId(harness.deps, 'unknown@people.test'))).toBe('user_unknown');
  expect(await outcomeOf(why('no-such-user'))).toBe('user_unknown');
});

test('an altered event of the log says who disabled an account, and no reason', async () => {
  const { id } = await harness.newUser();
  await disableUser(harness.deps, { user_id: id, reason }, harness.system);
  await harness.rows`INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, target_kind, target_id, detail,
    occurred_at, sealed_at, leaf)
    VALUES (0, gen_random_uuid(), 'user.disabled', 'ok', 'system', 'user', ${id}, '{}', now(), now(), '')`;
  expect(await why(id)).toMatchObject({ cause: 'disabled', by: { kind: expect.any(String) } });
  expect(await why(id)).not.toHaveProperty('reason');
});
