import { describe, expect, test } from 'vitest';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { TWO_FACTORS } from '#tools/testing/flows/signed-in.ts';
import { anonymous, openPeopledHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { changePassword } from './change-password.ts';
import { acceptInvitation, resetPassword } from './password-by-code.ts';

const harness = opened(openPeopledHarness);

const reset = (token: string, password = newPassword()) =>
  outcomeOf(resetPassword(harness.deps, { token, newPassword: password }, anonymous));
/** A copy whose database was found older than its high-water marks. */
const rewoundDeps = () => ({
  ...harness.deps,
  revocations: { ...harness.deps.revocations, issuingRefusal: () => 'state_rewound' as const },
});
const accept = (token: string, password = newPassword()) =>
  outcomeOf(acceptInvitation(harness.deps, { token, newPassword: password }, anonymous));
const templatesTo = async (email: string) => (await harness.mailsTo(email)).map(({ template }) => template);
const typesOf = async (id: string) => (await harness.eventsOf(id)).map(({ type }) => type);

describe('a password reset code', () => {
  test('sets the password, ends every session, clears wrong passwords, and a mail notifies the address', async () => {
    const person = await harness.signedIn({ hasPassword: true });
    const key = accountKeyOf(harness.deps, person.email);
    await harness.rows('INSERT INTO login_failures (key, failures) VALUES ($1, 100)', [key]);
    await harness.codeFor('unlock_account', person);
    const password = newPassword();
    expect(await reset(await harness.codeFor('reset_password', person), password)).toBe('ok');
    expect(await harness.isPasswordOf(person.id, password)).toBe(true);
    expect(await harness.deps.auth.findSession(person.cookie, true)).toBeNull();
    expect(await harness.rows('SELECT 1 FROM login_failures WHERE key = $1', [key])).toEqual([]);
    expect(await harness.rows('SELECT 1 FROM one_time_codes WHERE user_id = $1', [person.id])).toEqual([]);
    expect(await templatesTo(person.email)).toEqual(['password_changed']);
    expect(await typesOf(person.id)).not.toContain('user.email_verified');
  });

  test('gives an account without one its first password, verifies its address, and no mail reports a change', async () => {
    // With an invitation whose roles, granted and pending, only its own code may confirm.
    const person = await harness.signedIn({ isVerified: false, roles: ['auditor'] });
    const invitation = `INSERT INTO invitations (id, user_id, roles) VALUES (gen_random_uuid(), $1, '{operator}')`;
    await harness.rows(invitation, [person.id]);
    const password = newPassword();
    expect(await reset(await harness.codeFor('reset_password', person), password)).toBe('ok');
    expect(await harness.accountOf(person.id)).toMatchObject({ emailVerified: expect.any(Date), roles: ['user'] });
    expect(await harness.rows('SELECT 1 FROM invitations WHERE user_id = $1', [person.id])).toEqual([]);
    expect([await harness.isPasswordOf(person.id, password), await harness.sessionsOf(person.id)]).toEqual([true, 0]);
    expect(await templatesTo(person.email)).toEqual([]);
    expect(await typesOf(person.id)).toContain('user.email_verified');
  });

  test('stays valid if the password is disallowed', async () => {
    const person = await harness.newUser();
    const token = await harness.codeFor('reset_password', person);
    expect(await reset(token, 'short')).toBe('password_too_short');
    expect(await harness.rows('SELECT 1 FROM one_time_codes WHERE user_id = $1', [person.id])).toHaveLength(1);
  });

  test('sets no password on a database older than its high-water marks, and stays valid', async () => {
    const person = await harness.newUser();
    const input = { token: await harness.codeFor('reset_password', person), newPassword: newPassword() };
    expect(await outcomeOf(resetPassword(rewoundDeps(), input, anonymous))).toBe('state_rewound');
    expect(await outcomeOf(resetPassword(harness.deps, input, anonymous))).toBe('ok');
  });

  test('is refused and recorded if unknown, for another purpose, or for a disabled account', async () => {
    const before = await harness.countOf('code.refused', 'refused');
    const disabled = await harness.newUser();
    await harness.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [disabled.id]);
    const moved = await harness.newUser();
    const ofOldAddress = await harness.codeFor('reset_password', moved);
    await harness.rows('UPDATE users SET email = $2 WHERE id = $1', [moved.id, newEmail()]);
    const other = await harness.codeFor('unlock_account', await harness.newUser());
    for (const token of ['made up', other, await harness.codeFor('reset_password', disabled), ofOldAddress])
      expect(await reset(token)).toBe('code_invalid');
    const given = 'SELECT 1 FROM accounts WHERE "userId" = ANY ($1)';
    expect(await harness.rows(given, [[disabled.id, moved.id]])).toEqual([]);
    expect(await harness.countOf('code.refused', 'refused')).toBe(before + 4);
  });
});

describe('an invitation code', () => {
  async function invited(roles: readonly string[] = [], isVerified = false) {
    const person = await harness.newUser({ isVerified });
    const invitation = 'INSERT INTO invitations (id, user_id, roles) VALUES (gen_random_uuid(), $1, $2)';
    await harness.rows(invitation, [person.id, roles]);
    return { ...person, token: await harness.codeFor('invitation', person) };
  }

  test('sets the password, verifies the address and grants the roles that still exist', async () => {
    await harness.rows(`INSERT INTO roles (name, description) VALUES ('short-lived', 'Goes before it is accepted')`);
    const person = await invited(['auditor', 'short-lived']);
    await harness.rows(`DELETE FROM roles WHERE name = 'short-lived'`);
    const password = newPassword();
    expect(await accept(person.token, password)).toBe('ok');
    const { id } = person;
    expect(await harness.accountOf(id)).toMatchObject({ roles: ['auditor', 'user'], emailVerified: expect.any(Date) });
    expect(await harness.isPasswordOf(id, password)).toBe(true);
    expect(await harness.rows('SELECT 1 FROM invitations WHERE user_id = $1', [id])).toEqual([]);
  });

  test('requires the password length of the pending roles', async () => {
    const { id, token } = await invited(['operator']);
    expect(await accept(token, 'Qz7-vhk2Wp9x')).toBe('password_too_short');
    expect(await harness.accountOf(id)).toMatchObject({ emailVerified: null, roles: ['user'] });
  });

  test('is invalid after the address was verified by other means, and grants no role', async () => {
    const { id, token } = await invited(['auditor'], true);
    expect(await accept(token)).toBe('code_invalid');
    expect(await harness.accountOf(id)).toMatchObject({ roles: ['user'] });
    expect(await harness.rows('SELECT 1 FROM accounts WHERE "userId" = $1', [id])).toEqual([]);
  });
});

describe('a password change', () => {
  const change = (caller: Parameters<typeof changePassword>[2], currentPassword = harness.password) =>
    changePassword(harness.deps, { currentPassword, newPassword: newPassword() }, caller);

  test('ends every session; the new session keeps the expiry of the old one, and a mail notifies the address', async () => {
    const person = await harness.signedIn({ hasPassword: true });
    const ends = `UPDATE sessions SET "expiresAt" = date_trunc('second', now()) + interval '1 hour' WHERE id = $1 RETURNING "expiresAt"`;
    const [session] = await harness.rows(ends, [person.sessionId]);
    const { body } = await change(person.caller);
    expect(new Date(body.session.expiresAt)).toEqual(session?.expiresAt);
    expect(await harness.rows('SELECT id FROM sessions WHERE "userId" = $1', [person.id])).toEqual([
      { id: body.session.id },
    ]);
    expect(body.session.id).not.toBe(person.sessionId);
    expect(await templatesTo(person.email)).toEqual(['password_changed']);
  });

  test('keeps a two-factor session at its level and age', async () => {
    const person = await harness.signedIn({ hasPassword: true }, TWO_FACTORS);
    const authTime = person.caller.authTime - 600;
    const { body } = await change({ ...person.caller, authTime });
    const opened = 'SELECT amr, acr, extract(epoch FROM "createdAt")::int AS at FROM sessions WHERE id = $1';
    expect(await harness.rows(opened, [body.session.id])).toEqual([{ ...TWO_FACTORS, at: authTime }]);
  });

  test('is refused if the current password is wrong, which is counted: current_password_wrong', async () => {
    const person = await harness.signedIn({ hasPassword: true });
    expect(await outcomeOf(change(person.caller, newPassword()))).toBe('current_password_wrong');
    expect(await harness.isPasswordOf(person.id, harness.password)).toBe(true);
    const counted = 'SELECT failures FROM login_failures WHERE key = $1';
    expect(await harness.rows(counted, [accountKeyOf(harness.deps, person.email)])).toEqual([{ failures: 1 }]);
    expect([await harness.sessionsOf(person.id), await templatesTo(person.email)]).toEqual([1, []]);
  });
});
