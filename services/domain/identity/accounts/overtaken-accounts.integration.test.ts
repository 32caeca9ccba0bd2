import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiCopy } from '../../../platform/testing/api-copy.ts';
import { newEmail, newPassword, type TestUser } from '../../../platform/testing/flows/flows.ts';
import { insertPerson, logIn } from '../../../platform/testing/flows/signed-in.ts';
import { cutOff, overtaken, userHeld, whileItWaits } from '../../../platform/testing/overtaken.ts';
import { testCaller } from '../../../platform/testing/ports.ts';
import { type ApiWorld, openApiWorld } from '../../../platform/testing/worlds/api-world.ts';
import type { Caller } from '../../ports.ts';
import { accountKeyOf } from '../guard/login-counters.ts';
import { sessionCaller } from '../sessions/read-session.ts';
import { changeEmail } from './change-email.ts';
import { changePassword } from './change-password.ts';
import { inviteAgain } from './invite-user.ts';
import type { CodePurpose } from './one-time-codes.store.ts';
import { issueCode } from './one-time-codes.ts';
import { acceptInvitation, resetPassword } from './password-by-code.ts';
import { unlockAccount } from './unlock-account.ts';
import { readProfile } from './update-profile.ts';
import { verifyEmail } from './verify-email.ts';

const { request } = testCaller;
const anonymous: Caller = { kind: 'anonymous', request };
const password = newPassword();

let world: ApiWorld;
let copy: ApiCopy;
let digest: string;
beforeAll(async () => {
  world = await openApiWorld();
  copy = await world.startCopy({ env: { HASH_QUEUE: '64' } });
  digest = await copy.ports.hasher.hash(password, { clientPrefix: 'test', knownDevice: true });
});
afterAll(() => world.close());

const pool = () => copy.stores.pools.main;

async function person({ hasPassword = true } = {}): Promise<TestUser> {
  const email = newEmail();
  const id = await insertPerson(copy, email, hasPassword ? digest : undefined);
  return { id, email, password, ...(await logIn(copy, id)) };
}

const callerOf = async (user: TestUser): Promise<Caller & { readonly kind: 'user' }> => {
  const caller = await sessionCaller(copy.ports, user.cookie, request);
  if (caller?.kind !== 'user') throw new Error('no session');
  return caller;
};

/** A code as a mail carries it; without a user, of a sign-up. */
async function codeFor(purpose: CodePurpose, { id, email }: { readonly id: string | null; readonly email: string }) {
  const { ports } = copy;
  const code = {
    id: ports.random.uuid(),
    purpose,
    userId: id,
    userEpoch: id === null ? null : 0,
    email,
    lifeSeconds: 600,
  } as const;
  const issued = await issueCode(ports.sql, ports, id === null ? { ...code, carries: { name: 'Ada' } } : code);
  if (issued === null) throw new Error('no code');
  return issued;
}

const codeOfError = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'none',
    (err: unknown) => (err as { code?: unknown }).code,
  );
const accountOf = async (id: string) => (await world.rows('SELECT * FROM users WHERE id = $1', [id]))[0];
const isPasswordOf = async (id: string, text: string): Promise<boolean> => {
  const [{ password: current }] = (await world.rows('SELECT password FROM accounts WHERE "userId" = $1', [id])) as [
    { password: string },
  ];
  return copy.ports.hasher.verify(text, current, { clientPrefix: 'test', knownDevice: true });
};

describe('while a sign-in elsewhere puts a stronger digest in place of the one that was read', () => {
  const upgradeOf = ({ id }: { readonly id: string }) =>
    ['SELECT account_password_upgrade($1, $2, $3)', [id, digest, 'a stronger digest']] as const;

  test('a reset of the password takes effect', async () => {
    const user = await person();
    const token = await codeFor('reset_password', user);
    const newOne = newPassword();
    const reset = () => resetPassword(copy.ports, { token, newPassword: newOne }, anonymous);
    expect(await whileItWaits(pool(), [upgradeOf(user)], reset)).toEqual({ status: 'password_reset' });
    expect(await isPasswordOf(user.id, newOne)).toBe(true);
  });

  test('so does a change of it, of somebody without a name', async () => {
    const user = await person();
    await world.rows('UPDATE users SET name = NULL WHERE id = $1', [user.id]);
    const caller = await callerOf(user);
    const newOne = newPassword();
    const change = () => changePassword(copy.ports, { currentPassword: password, newPassword: newOne }, caller);
    expect((await whileItWaits(pool(), [upgradeOf(user)], change)).body.user).toMatchObject({
      id: user.id,
      name: null,
    });
    expect(await isPasswordOf(user.id, newOne)).toBe(true);
  });
});

describe('a password row that somebody deletes by hand while another password is on its way', () => {
  const deletionOf = ({ id }: { readonly id: string }) => ['DELETE FROM accounts WHERE "userId" = $1', [id]] as const;
  const NOTHING_REPLACED = 'nothing was handed over';

  test('a change is undone: the session lives, and no mail tells of it', async () => {
    const user = await person();
    const caller = await callerOf(user);
    const change = () => changePassword(copy.ports, { currentPassword: password, newPassword: newPassword() }, caller);
    const mails = () => world.rows('SELECT count(*)::int FROM mail_outbox');
    const before = await mails();
    await expect(whileItWaits(pool(), [deletionOf(user)], change)).rejects.toThrow(NOTHING_REPLACED);
    expect(await mails()).toEqual(before);
    expect(await callerOf(user)).toEqual(caller);
  });

  test('so is a reset, whose code stays and then sets the password', async () => {
    const user = await person();
    const token = await codeFor('reset_password', user);
    const newOne = newPassword();
    const reset = () => resetPassword(copy.ports, { token, newPassword: newOne }, anonymous);
    await expect(whileItWaits(pool(), [deletionOf(user)], reset)).rejects.toThrow(NOTHING_REPLACED);
    expect(await reset()).toEqual({ status: 'password_reset' });
    expect(await isPasswordOf(user.id, newOne)).toBe(true);
  });
});

describe('U7 who acts on their account by a session that ends meanwhile, or without one', () => {
  test('changes nothing', async () => {
    const user = await person({ hasPassword: false });
    const caller = await callerOf(user);
    const change = (by: Caller) => () => codeOfError(changeEmail(copy.ports, { newEmail: newEmail() }, by));
    const mails = async () => (await world.rows('SELECT count(*)::int FROM mail_outbox'))[0];
    const before = await mails();
    expect(await change({ ...caller, sessionId: null })()).toBe('unauthenticated');
    const endAll = 'DELETE FROM sessions WHERE "userId" = $1';
    expect(await overtaken(pool(), user.id, endAll, change(caller))).toBe('unauthenticated');
    expect(await mails()).toEqual(before);
  });

  test('a token of an account that is gone reads no profile', async () => {
    const user = await person({ hasPassword: false });
    const caller = await callerOf(user);
    await world.rows('DELETE FROM users WHERE id = $1', [user.id]);
    expect(await codeOfError(readProfile(copy.ports, {}, caller))).toBe('unauthenticated');
  });
});

describe('a code that proves an address', () => {
  const verify = (token: string, given: object) => () =>
    codeOfError(verifyEmail(copy.ports, { token, ...given }, anonymous));

  test('counts no more when the session beside it ends first, nor when the address is proved by something else', async () => {
    const [signedOut, proved] = [await person({ hasPassword: false }), await person({ hasPassword: false })];
    const first = verify(await codeFor('verify_email', signedOut), signedOut);
    const endAll = 'DELETE FROM sessions WHERE "userId" = $1';
    expect(await overtaken(pool(), signedOut.id, endAll, first)).toBe('code_invalid');
    expect(await accountOf(signedOut.id)).toMatchObject({ emailVerified: null });
    const second = verify(await codeFor('verify_email', proved), proved);
    const prove = `UPDATE users SET "emailVerified" = '2026-01-01Z' WHERE id = $1`;
    expect(await overtaken(pool(), proved.id, prove, second)).toBe('code_invalid');
    expect(await accountOf(proved.id)).toMatchObject({ emailVerified: new Date('2026-01-01Z') });
  });

  test.each(['verify_email', 'change_email'] as const)(
    '%s: counts with a password that a sign-in elsewhere gives a stronger digest',
    async (purpose) => {
      const user = await person();
      const email = purpose === 'change_email' ? newEmail() : user.email;
      const ask = verify(await codeFor(purpose, { id: user.id, email }), { password });
      const upgrade = ['SELECT account_password_upgrade($1, $2, $3)', [user.id, digest, 'a stronger digest']] as const;
      expect(await whileItWaits(pool(), [userHeld(user.id), upgrade], ask)).toBe('none');
      expect(await accountOf(user.id)).toMatchObject({ email, emailVerified: expect.any(Date) });
    },
  );

  test('counts no more where the password is taken away, or another one set, after it was proved', async () => {
    const take = 'DELETE FROM accounts WHERE "userId" = $1';
    const set = `INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ($1, $1, 'credential', $1, 'x')`;
    for (const changes of [[take], [take, set], [`UPDATE accounts SET password = 'x' WHERE "userId" = $1`]]) {
      const user = await person();
      const ask = verify(await codeFor('verify_email', user), { password });
      const held = changes.map((text) => [text, [user.id]] as const);
      expect(await whileItWaits(pool(), [userHeld(user.id), ...held], ask)).toBe('code_invalid');
      expect(await accountOf(user.id)).toMatchObject({ emailVerified: null });
    }
  });

  test('of a sign-up: an account that had the address and is deleted, or gets another, meanwhile is not taken over', async () => {
    for (const change of ['DELETE FROM users WHERE id = $1', `UPDATE users SET email = id || '@x' WHERE id = $1`]) {
      const other = await person();
      const token = await codeFor('sign_up', { id: null, email: other.email });
      const taken = verify(token, { password: newPassword() });
      const code = await whileItWaits(pool(), [userHeld(other.id)], taken, (holder) =>
        holder.query(change, [other.id]),
      );
      expect(code).toBe('code_invalid');
      expect(await world.rows('SELECT 1 FROM users WHERE email = $1', [other.email])).toEqual([]);
      const ways = await world.rows('SELECT password FROM accounts WHERE "userId" = $1', [other.id]);
      expect(ways).toEqual(change.startsWith('DELETE') ? [] : [{ password: digest }]);
    }
  });

  test('stays where the database fails in the middle: 503, and the same code counts afterwards', async () => {
    const user = await person({ hasPassword: false });
    const ask = verify(await codeFor('verify_email', user), user);
    expect(await cutOff(pool(), user.id, ask)).toBe('store_unavailable');
    expect(await accountOf(user.id)).toMatchObject({ emailVerified: null });
    expect(await ask()).toBe('none');
    expect(await accountOf(user.id)).toMatchObject({ emailVerified: expect.any(Date) });
  });
});

describe('invitations', () => {
  async function invited() {
    const email = newEmail();
    const id = await insertPerson(copy, email);
    await world.rows(`INSERT INTO invitations (id, user_id, roles) VALUES (gen_random_uuid(), $1, '{operator}')`, [id]);
    return { id, token: await codeFor('invitation', { id, email }) };
  }
  const accept = (token: string) => () =>
    acceptInvitation(copy.ports, { token, newPassword: newPassword() }, anonymous);
  const rolesOf = async (id: string) => (await accountOf(id))?.roles;

  test('a role taken out of one while it is being accepted is not granted', async () => {
    const { id, token } = await invited();
    const takeOut = `UPDATE invitations SET roles = '{}' WHERE user_id = $1`;
    expect(await overtaken(pool(), id, takeOut, accept(token))).toEqual({ status: 'invitation_accepted' });
    expect(await rolesOf(id)).toEqual(['user']);
  });

  test('the code of one that is gone gives a password, and no role', async () => {
    const { id, token } = await invited();
    await world.rows('DELETE FROM invitations WHERE user_id = $1', [id]);
    expect(await accept(token)()).toEqual({ status: 'invitation_accepted' });
    expect(await rolesOf(id)).toEqual(['user']);
  });

  test('who signed up and never proved the address can be invited, to no role', async () => {
    const user = await person();
    const again = await inviteAgain(copy.ports, { userId: user.id, reason: 'never got the mail' }, testCaller);
    expect(again).toMatchObject({ id: user.id });
    expect(await world.rows('SELECT roles FROM invitations WHERE user_id = $1', [user.id])).toEqual([{ roles: [] }]);
  });
});

test('a code that unlocks an account unlocked already succeeds, and says that nothing was forgotten', async () => {
  const user = await person();
  const token = await codeFor('unlock_account', user);
  const key = accountKeyOf(copy.ports, user.email);
  expect(await world.rows('SELECT 1 FROM login_failures WHERE key = $1', [key])).toEqual([]);
  expect((await unlockAccount(copy.ports, { token }, anonymous)).body).toEqual({ status: 'unlocked' });
  const told = await world.rows(`SELECT detail FROM audit_outbox WHERE type = 'user.unlocked' AND target_id = $1`, [
    user.id,
  ]);
  expect(told).toEqual([{ detail: expect.objectContaining({ failures: 0, reason: 'mailed_code' }) }]);
});
