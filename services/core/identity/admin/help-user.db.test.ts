import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPeopledHarness, type PeopledHarness } from '#tools/testing/harness/people.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { verifyEmail } from '../accounts/verify-email.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { disableUser } from './disable-user.ts';
import { changeUserEmail, sendPasswordMail, verifyUserEmail } from './help-user.ts';
import { inviteUser } from './invite-user.ts';

const reason = 'seen in person';
const newEmail = () => `new-${crypto.randomUUID()}@people.test`;

let harness: PeopledHarness;
beforeAll(async () => {
  harness = await openPeopledHarness();
});
afterAll(() => harness?.close());

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
    expect(await harness.rows('SELECT purpose FROM one_time_codes WHERE user_id = $1', [user.id])).toEqual([]);
    expect(await helpOf(user.id)).toMatchObject([{ actor_id: by.id, detail: { act: 'email_changed', reason } }]);
    const events = (await harness.eventsOf(user.id)).map(({ type, detail }) => JSON.stringify([type, detail]));
    expect(events.join()).not.toContain('@');
    await changeUserEmail(harness.deps, given, by.caller);
    expect(await helpOf(user.id)).toHaveLength(1);
  });

  test('stays unverified if the old one was', async () => {
    const user = await harness.newUser({ isVerified: false });
    const given = { user_id: user.id, reason, email: newEmail() };
    expect(await changeUserEmail(harness.deps, given, harness.system)).toMatchObject({ email_verified_at: null });
  });

  test('is refused if another account has it, or while an incident keeps the account closed', async () => {
    const [user, other] = [await harness.newUser(), await harness.newUser()];
    const change = (email: string) =>
      changeUserEmail(harness.deps, { user_id: user.id, reason, email }, harness.system);
    expect(await outcomeOf(change(other.email))).toBe('email_taken');
    await harness.rows(`INSERT INTO login_failures (key, failures, stepped_up) VALUES ($1, 100, true)`, [
      accountKeyOf(harness.deps, user.email),
    ]);
    expect(await outcomeOf(change(newEmail()))).toBe('login_locked');
    expect(await harness.accountOf(user.id)).toMatchObject({ email: user.email });
    expect(await helpOf(user.id)).toEqual([]);
  });
});

describe('nobody helps an account to more rights than their own', () => {
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
