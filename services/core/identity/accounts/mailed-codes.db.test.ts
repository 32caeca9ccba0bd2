import { describe, expect, test } from 'vitest';
import type { Tx } from '#services/core/ports.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { TWO_FACTORS } from '#tools/testing/flows/signed-in.ts';
import { anonymous, openPeopledHarness } from '#tools/testing/harness/people.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { issueCode } from '../mail/one-time-codes.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { changePassword } from './change-password.ts';
import { acceptInvitation, resetPassword } from './password-by-code.ts';
import { readTypedCode } from './read-typed-code.ts';
import { verifyEmail } from './verify-email.ts';

const harness = opened(openPeopledHarness);

type Beside = { readonly password?: string; readonly cookie?: string };
const verify = (token: string, beside: Beside = {}) =>
  outcomeOf(verifyEmail(harness.deps, { token, ...beside }, anonymous));
const idOf = async (email: string) => (await harness.rows`SELECT id FROM users WHERE email = ${email}`)[0]?.id;
const typesOf = async (id: string) => (await harness.eventsOf(id)).map(({ type }) => type);
const isVerified = async (id: string) => (await harness.accountOf(id))?.emailVerified instanceof Date;
const countFailures = ({ id, email }: { id: string; email: string }, isSteppedUp = false) =>
  harness.rows`INSERT INTO login_failures (key, failures, user_id, stepped_up)
    VALUES (${accountKeyOf(harness.deps, email)}, 7, ${id}, ${isSteppedUp})`;
const failuresOf = async (email: string) =>
  (await harness.rows`SELECT failures FROM login_failures WHERE key = ${accountKeyOf(harness.deps, email)}`)[0]
    ?.failures;
const passkey = `INSERT INTO passkeys (id, "userId", "publicKey", "credentialID", counter, "deviceType", "backedUp")
  VALUES ($1, $1, 'x', $1, 0, 'singleDevice', false)`;
const link = `INSERT INTO accounts (id, "accountId", "providerId", "userId") VALUES (gen_random_uuid(), $1, 'elsewhere', $1)`;

describe('a sign-up code', () => {
  test('creates the account with the password of the mail’s reader, and opens no session', async () => {
    const [email, password] = [newEmail(), newPassword()];
    const token = await harness.codeFor('sign_up', { id: null, email });
    expect(await verify(token, { password })).toBe('ok');
    const id = (await idOf(email)) as string;
    expect(await harness.accountOf(id)).toMatchObject({
      name: 'Ada',
      emailVerified: expect.any(Date),
      roles: ['user'],
    });
    expect([await harness.isPasswordOf(id, password), await harness.sessionsOf(id)]).toEqual([true, 0]);
    expect(await typesOf(id)).toContain('user.email_verified');
    expect(await verify(token, { password })).toBe('code_invalid');
  });

  test('creates no account on a database older than its high-water marks, and stays valid', async () => {
    const email = newEmail();
    const input = { token: await harness.codeFor('sign_up', { id: null, email }), password: newPassword() };
    const revocations = { ...harness.deps.revocations, issuingRefusal: () => 'state_rewound' as const };
    expect(await outcomeOf(verifyEmail({ ...harness.deps, revocations }, input, anonymous))).toBe('state_rewound');
    expect(await idOf(email)).toBeUndefined();
    expect(await outcomeOf(verifyEmail(harness.deps, input, anonymous))).toBe('ok');
  });

  test('requires an allowed password, and stays valid if there is none', async () => {
    const email = newEmail();
    const token = await harness.codeFor('sign_up', { id: null, email });
    expect(await verify(token)).toBe('password_required');
    expect(await verify(token, { password: 'short' })).toBe('password_too_short');
    expect(await idOf(email)).toBeUndefined();
    expect(await verify(token, { password: newPassword() })).toBe('ok');
  });

  test('takes over an unverified account and removes everything that an attacker added to it, and the roles of an invitation', async () => {
    const person = await harness.signedIn({ hasPassword: true, isVerified: false, roles: ['auditor'] });
    await harness.rows(passkey, [person.id]);
    await harness.rows(link, [person.id]);
    await harness.rows`INSERT INTO invitations (id, user_id) VALUES (gen_random_uuid(), ${person.id})`;
    const password = newPassword();
    expect(await verify(await harness.codeFor('sign_up', { id: null, email: person.email }), { password })).toBe('ok');
    expect(await harness.isPasswordOf(person.id, password)).toBe(true);
    expect(await harness.accountOf(person.id)).toMatchObject({ emailVerified: expect.any(Date), roles: ['user'] });
    expect(await harness.sessionsOf(person.id)).toBe(0);
    expect(await harness.rows`SELECT 1 FROM passkeys WHERE "userId" = ${person.id}`).toEqual([]);
    expect(await harness.rows`SELECT 1 FROM accounts WHERE "userId" = ${person.id}`).toHaveLength(1);
    expect(await harness.rows`SELECT 1 FROM invitations WHERE user_id = ${person.id}`).toEqual([]);
  });

  test('takes over neither a verified nor a disabled account', async () => {
    const [proved, disabled] = [await harness.signedIn(), await harness.newUser({ isVerified: false })];
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled.id}`;
    for (const { id, email } of [proved, disabled]) {
      const token = await harness.codeFor('sign_up', { id: null, email });
      expect(await verify(token, { password: newPassword() })).toBe('code_invalid');
      expect(await harness.rows`SELECT 1 FROM accounts WHERE "userId" = ${id}`).toEqual([]);
    }
    expect(await harness.sessionsOf(proved.id)).toBe(1);
  });
});

describe('a code that verifies an account’s address', () => {
  test('is accepted with a session of the account; the session stays and shows the verified address at once', async () => {
    const person = await harness.signedIn({ isVerified: false });
    const seen = async () => (await harness.deps.auth.findSession(person.cookie, true))?.user.emailVerified;
    expect(await seen()).toBe(false);
    expect(await verify(await harness.codeFor('verify_email', person), { cookie: person.cookie })).toBe('ok');
    expect(await seen()).toBe(true);
    expect(await typesOf(person.id)).toContain('user.email_verified');
  });

  test('is accepted with the password, ends no session and clears no failures', async () => {
    const person = await harness.signedIn({ hasPassword: true, isVerified: false });
    await countFailures(person);
    const { password } = harness;
    expect(await verify(await harness.codeFor('verify_email', person), { password })).toBe('ok');
    expect([await isVerified(person.id), await harness.sessionsOf(person.id)]).toEqual([true, 1]);
    expect(await failuresOf(person.email)).toBe(7);
  });

  test('sets a new password that is sent with it, ends all earlier sessions and credentials, and clears the failures', async () => {
    const person = await harness.signedIn({ hasPassword: true, isVerified: false });
    await countFailures(person);
    const password = newPassword();
    expect(await verify(await harness.codeFor('verify_email', person), { password })).toBe('ok');
    expect([await isVerified(person.id), await harness.sessionsOf(person.id)]).toEqual([true, 0]);
    expect(await harness.isPasswordOf(person.id, password)).toBe(true);
    expect(await failuresOf(person.email)).toBeUndefined();
  });

  test('is refused with another user’s session: a password is required, and the code stays valid', async () => {
    const [person, other] = [await harness.signedIn({ isVerified: false }), await harness.signedIn()];
    const token = await harness.codeFor('verify_email', person);
    expect(await verify(token, { cookie: other.cookie })).toBe('password_required');
    expect(await isVerified(person.id)).toBe(false);
    expect(await verify(token, { cookie: person.cookie })).toBe('ok');
  });

  test('is rejected if the account is disabled, already verified, or has another address', async () => {
    const changes = ['"disabledAt" = now()', '"emailVerified" = now()', `email = id || '@people.test'`];
    for (const change of changes) {
      const person = await harness.signedIn({ isVerified: false });
      await harness.rows(`UPDATE users SET ${change} WHERE id = $1`, [person.id]);
      const before = await harness.accountOf(person.id);
      expect(await verify(await harness.codeFor('verify_email', person), person)).toBe('code_invalid');
      expect(await harness.accountOf(person.id)).toEqual(before);
    }
  });

  test('is refused and recorded if unknown', async () => {
    const before = await harness.countOf('code.refused', 'refused');
    const reset = await harness.codeFor('reset_password', await harness.newUser());
    for (const token of ['made up', reset]) expect(await verify(token, harness)).toBe('code_invalid');
    expect(await harness.countOf('code.refused', 'refused')).toBe(before + 2);
  });
});

describe('a code sent to a new address', () => {
  async function moving(email = newEmail()) {
    const person = await harness.signedIn({ hasPassword: true });
    return { ...person, to: email, token: await harness.codeFor('change_email', { id: person.id, email }) };
  }
  const emailOf = async (id: string) => (await harness.accountOf(id))?.email;

  test('replaces the old address; a mail notifies the old address, and its codes become invalid', async () => {
    const { id, email, to, token, cookie } = await moving();
    await harness.codeFor('reset_password', { id, email });
    expect(await verify(token, { cookie })).toBe('ok');
    expect(await harness.accountOf(id)).toMatchObject({ email: to, emailVerified: expect.any(Date) });
    expect(await harness.mailsTo(email)).toMatchObject([{ template: 'email_changed' }]);
    expect(await harness.rows`SELECT 1 FROM one_time_codes WHERE user_id = ${id}`).toEqual([]);
    expect((await harness.deps.auth.findSession(cookie, true))?.user.email).toBe(to);
    expect(await typesOf(id)).toEqual(expect.arrayContaining(['user.email_changed', 'user.email_verified']));
  });

  test('is rejected with a wrong password, which counts as a failed sign-in: current_password_wrong', async () => {
    const { id, email, token } = await moving();
    expect(await verify(token)).toBe('password_required');
    expect(await verify(token, { password: newPassword() })).toBe('current_password_wrong');
    expect([await emailOf(id), await failuresOf(email)]).toEqual([email, 1]);
    expect(await verify(token, harness)).toBe('ok');
  });

  test('is rejected if another account has taken the address: email_taken, and the code stays valid', async () => {
    const { id, email, to, token, cookie } = await moving();
    const other = await harness.newUser();
    await harness.rows`UPDATE users SET email = ${to} WHERE id = ${other.id}`;
    expect(await verify(token, { cookie })).toBe('email_taken');
    expect(await emailOf(id)).toBe(email);
    await harness.rows`DELETE FROM users WHERE id = ${other.id}`;
    expect(await verify(token, { cookie })).toBe('ok');
  });

  test('is refused while an incident keeps the account locked: login_locked, and stays valid', async () => {
    const person = await moving();
    await countFailures(person, true);
    expect(await verify(person.token, { cookie: person.cookie })).toBe('login_locked');
    expect(await emailOf(person.id)).toBe(person.email);
    await harness.rows`DELETE FROM login_failures WHERE user_id = ${person.id}`;
    expect(await verify(person.token, { cookie: person.cookie })).toBe('ok');
  });

  test('is refused until a suspicious sign-in has been evaluated: login_locked', async () => {
    const { id, email, token, cookie } = await moving();
    await harness.rows`INSERT INTO audit_outbox (type, outcome, actor_kind, target_kind, target_id, detail)
      VALUES ('user.login', 'ok', 'anonymous', 'user', ${id}, '{"known_device": false, "suspect_network": true}')`;
    expect(await verify(token, { cookie })).toBe('login_locked');
    expect(await emailOf(id)).toBe(email);
  });
});

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
describe('a password reset code', () => {
  test('sets the password, ends every session, clears wrong passwords, and a mail notifies the address', async () => {
    const person = await harness.signedIn({ hasPassword: true });
    const key = accountKeyOf(harness.deps, person.email);
    await harness.rows`INSERT INTO login_failures (key, failures) VALUES (${key}, 100)`;
    await harness.codeFor('unlock_account', person);
    const password = newPassword();
    expect(await reset(await harness.codeFor('reset_password', person), password)).toBe('ok');
    expect(await harness.isPasswordOf(person.id, password)).toBe(true);
    expect(await harness.deps.auth.findSession(person.cookie, true)).toBeNull();
    expect(await harness.rows`SELECT 1 FROM login_failures WHERE key = ${key}`).toEqual([]);
    expect(await harness.rows`SELECT 1 FROM one_time_codes WHERE user_id = ${person.id}`).toEqual([]);
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
    expect(await harness.rows`SELECT 1 FROM invitations WHERE user_id = ${person.id}`).toEqual([]);
    expect([await harness.isPasswordOf(person.id, password), await harness.sessionsOf(person.id)]).toEqual([true, 0]);
    expect(await templatesTo(person.email)).toEqual([]);
    expect(await typesOf(person.id)).toContain('user.email_verified');
  });

  test('stays valid if the password is disallowed', async () => {
    const person = await harness.newUser();
    const token = await harness.codeFor('reset_password', person);
    expect(await reset(token, 'short')).toBe('password_too_short');
    expect(await harness.rows`SELECT 1 FROM one_time_codes WHERE user_id = ${person.id}`).toHaveLength(1);
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
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled.id}`;
    const moved = await harness.newUser();
    const ofOldAddress = await harness.codeFor('reset_password', moved);
    await harness.rows`UPDATE users SET email = ${newEmail()} WHERE id = ${moved.id}`;
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
    await harness.rows`INSERT INTO roles (name, description) VALUES ('short-lived', 'Goes before it is accepted')`;
    const person = await invited(['auditor', 'short-lived']);
    await harness.rows`DELETE FROM roles WHERE name = 'short-lived'`;
    const password = newPassword();
    expect(await accept(person.token, password)).toBe('ok');
    const { id } = person;
    expect(await harness.accountOf(id)).toMatchObject({ roles: ['auditor', 'user'], emailVerified: expect.any(Date) });
    expect(await harness.isPasswordOf(id, password)).toBe(true);
    expect(await harness.rows`SELECT 1 FROM invitations WHERE user_id = ${id}`).toEqual([]);
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
    expect(await harness.rows`SELECT 1 FROM accounts WHERE "userId" = ${id}`).toEqual([]);
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
    expect(await harness.rows`SELECT id FROM sessions WHERE "userId" = ${person.id}`).toEqual([
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

const ports = opened(openTestPorts);

const WRONG = 'BBBB-BBBB';

/** A code for an address that no account has. */
async function codeFor(email: string) {
  const [id, to] = [ports.random.uuid(), { userId: null, userEpoch: null, email }];
  const issued = await issueCode(ports.sql, ports, { id, purpose: 'sign_up', ...to, lifeSeconds: 600 });
  if (issued === null) throw new Error('no code');
  return issued;
}

/** Types a code; returns what came of it, and the statements of each transaction. */
async function attempt(email: string, typed: string) {
  const transactions: string[][] = [];
  const watched = {
    ...ports,
    transact: <T>(work: (tx: Tx) => Promise<T>) =>
      ports.transact((tx) => {
        const statements: string[] = [];
        transactions.push(statements);
        return work({
          afterCommit: (action) => tx.afterCommit(action),
          query: (statement, values) => {
            statements.push(statement.name);
            return tx.query(statement, values);
          },
        });
      }),
  };
  const outcome = await readTypedCode(watched, { link: 'verify', email, typed }, anonymous).catch(
    (err: { code: string }) => err.code,
  );
  return { outcome, transactions };
}

test('a wrong code takes the same statements and commits whether or not the address has codes, and is recorded', async () => {
  const email = newEmail();
  await codeFor(email);
  const known = await attempt(email, WRONG);
  const unknown = await attempt(newEmail(), WRONG);
  expect([known.outcome, unknown]).toEqual(['code_invalid', known]);
  expect(known.transactions).toHaveLength(1);
  const refused = `SELECT outcome FROM audit_outbox WHERE type = 'code.refused'`;
  expect(await ports.raw(refused)).toEqual([{ outcome: 'refused' }, { outcome: 'refused' }]);
  expect(await ports.raw`SELECT typed_tries AS tries FROM one_time_codes WHERE email = ${email}`).toEqual([
    { tries: 1 },
  ]);
});

test('the right code is found, and so is that of the link, pasted with spaces, without a look at the stores', async () => {
  const email = newEmail();
  const { code, typed } = await codeFor(email);
  expect((await attempt(email, typed)).outcome).toMatchObject({ purpose: 'sign_up' });
  expect(await attempt('', ` ${code}\n`)).toEqual({ outcome: code, transactions: [] });
});
