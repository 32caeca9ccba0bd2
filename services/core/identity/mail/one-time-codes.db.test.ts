import { describe, expect, test } from 'vitest';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { takeVoidedUnlock } from '../accounts/offer-unlock.ts';
import { type CodePurpose, deleteCodes, deleteCodesOf, findNewestCode } from './one-time-codes.store.ts';
import {
  findCode,
  findTypedCode,
  type IssuedCode,
  issueCode,
  type MailedCode,
  type NewCode,
  openCode,
  redeemCode,
} from './one-time-codes.ts';

const ports = opened(openTestPorts);

async function person(): Promise<{ id: string; email: string }> {
  const [id, email] = [ports.random.uuid(), newEmail()];
  await ports.raw`INSERT INTO users (id, email) VALUES (${id}, ${email})`;
  return { id, email };
}

const issue = (purpose: CodePurpose, to: { id: string | null; email: string }, more: Partial<NewCode> = {}) =>
  issueCode(ports.sql, ports, {
    id: ports.random.uuid(),
    purpose,
    userId: to.id,
    userEpoch: to.id === null ? null : 0,
    email: to.email,
    lifeSeconds: 600,
    ...more,
  });
const both = async (...given: Parameters<typeof issue>): Promise<IssuedCode> => {
  const code = await issue(...given);
  if (code === null) throw new Error('no code');
  return code;
};
const issued = async (...given: Parameters<typeof issue>): Promise<string> => (await both(...given)).code;
const type = (email: string, typed: string, ...purposes: CodePurpose[]) =>
  ports.transact((tx) => findTypedCode(tx, ports, purposes, { email, typed }));
const redeem = (code: MailedCode, ...purposes: CodePurpose[]) =>
  ports.transact((tx) => redeemCode(tx, ports, purposes, code));
const endSessions = (id: string) => ports.raw`SELECT user_every_login_end(${id})`;

describe('a code', () => {
  test('has 256 bits; neither the code nor its data is stored in clear', async () => {
    const code = await issued('sign_up', { id: null, email: newEmail() }, { carries: { name: 'Ada Lovelace' } });
    expect(code).toMatch(/^[A-Za-z0-9_-]{43}$/);
    const stored = JSON.stringify(await ports.raw`SELECT *, encode(hash, 'escape') FROM one_time_codes`);
    expect(stored).not.toContain(code);
    expect(stored).not.toContain('Lovelace');
    expect(await redeem(code, 'sign_up')).toMatchObject({ userId: null, carries: { name: 'Ada Lovelace' } });
  });

  test('returns its user and address, and carries no data unless given', async () => {
    const user = await person();
    const code = await issued('verify_email', user);
    const { id: userId, email } = user;
    expect(await redeem(code, 'verify_email')).toEqual({ purpose: 'verify_email', userId, email, carries: undefined });
  });

  test('is redeemed once by ten concurrent requests', async () => {
    const code = await issued('reset_password', await person());
    const got = await Promise.all(Array.from({ length: 10 }, () => redeem(code, 'reset_password')));
    expect(got.filter((proof) => proof !== undefined)).toHaveLength(1);
    expect(await redeem(code, 'reset_password')).toBeUndefined();
  });

  test('stays valid if the transaction that redeems it is rolled back', async () => {
    const code = await issued('reset_password', await person());
    const failed = ports.transact(async (tx) => {
      await redeemCode(tx, ports, ['reset_password'], code);
      throw new Error('after the code');
    });
    await expect(failed).rejects.toThrow('after the code');
    expect(await redeem(code, 'reset_password')).toBeDefined();
  });

  test('is redeemed for its purpose and no other', async () => {
    const code = await issued('change_email', await person());
    expect(await redeem(code, 'reset_password', 'unlock_account')).toBeUndefined();
    expect(await redeem(code, 'sign_up', 'verify_email', 'change_email')).toMatchObject({ purpose: 'change_email' });
  });

  test('is rejected if expired or malformed; reading one does not redeem it', async () => {
    const user = await person();
    const over = await issued('verify_email', user, { lifeSeconds: 0 });
    expect(await findCode(ports.sql, 'verify_email', over)).toBeUndefined();
    expect(await redeem(over, 'verify_email')).toBeUndefined();
    for (const text of ['', 'x', `${over}x`, `${over.slice(0, 42)}=`])
      expect(await findCode(ports.sql, 'verify_email', text)).toBeUndefined();
    const code = await issued('verify_email', user);
    for (let n = 0; n < 2; n += 1) expect(await findCode(ports.sql, 'verify_email', code)).toBeDefined();
  });

  test('is invalid after the user’s sessions have ended', async () => {
    const user = await person();
    const code = await issued('verify_email', user);
    await endSessions(user.id);
    expect(await redeem(code, 'verify_email')).toBeUndefined();
    const newer = await issued('verify_email', user, { userEpoch: 1 });
    expect(await redeem(newer, 'verify_email')).toBeDefined();
  });

  test('is deleted with its user', async () => {
    const user = await person();
    const code = await issued('verify_email', user);
    await ports.raw`DELETE FROM users WHERE id = ${user.id}`;
    expect(await findCode(ports.sql, 'verify_email', code)).toBeUndefined();
  });

  test('for a new address is invalid if devices were forgotten after it was requested; other codes stay valid', async () => {
    const user = await person();
    const [move, reset] = [await issued('change_email', user), await issued('reset_password', user)];
    await ports.raw`UPDATE users SET "devicesSince" = now() + interval '6 seconds' WHERE id = ${user.id}`;
    expect(await redeem(move, 'change_email')).toBeUndefined();
    expect(await redeem(reset, 'reset_password')).toBeDefined();
  });

  test('of a retried mail replaces the previous code', async () => {
    const user = await person();
    const id = ports.random.uuid();
    const [first, second] = [await issued('verify_email', user, { id }), await issued('verify_email', user, { id })];
    expect(await findCode(ports.sql, 'verify_email', first)).toBeUndefined();
    expect(await findCode(ports.sql, 'verify_email', second)).toMatchObject({ id });
  });

  test('unseals its data under its own id only', async () => {
    const email = newEmail();
    await issued('sign_up', { id: null, email }, { carries: { name: 'Ada' } });
    const row = await findNewestCode(ports.sql, email, 'sign_up');
    expect(row && openCode(ports, row)).toEqual({ name: 'Ada' });
    expect(() => openCode(ports, { id: ports.random.uuid(), sealed: row?.sealed ?? null })).toThrow();
  });
});

describe('a code that is typed', () => {
  const WRONG = 'BBBB-BBBB';

  test('redeems what its link would, once, whatever its spelling; reading it uses nothing up', async () => {
    const user = await person();
    const { code, typed } = await both('verify_email', user);
    expect(typed).toMatch(/^[B-Z]{8}$/);
    for (const spelled of [typed, ` ${typed.slice(0, 4).toLowerCase()}-${typed.slice(4)} `])
      expect(await type(user.email.toUpperCase(), spelled, 'sign_up', 'verify_email')).toBeDefined();
    const found = await type(user.email, typed, 'verify_email');
    const got = await Promise.all(Array.from({ length: 5 }, () => redeem(found!, 'verify_email')));
    expect(got.filter((proof) => proof !== undefined)).toMatchObject([{ userId: user.id, email: user.email }]);
    expect(await redeem(code, 'verify_email')).toBeUndefined();
    expect(await type(user.email, typed, 'verify_email')).toBeUndefined();
  });

  test('is bound to its address and purpose, and no stored column has it, even hashed in clear', async () => {
    const [user, other] = [await person(), await person()];
    const { typed } = await both('reset_password', user);
    await both('reset_password', other);
    expect(await type(other.email, typed, 'reset_password')).toBeUndefined();
    expect(await type(user.email, typed, 'verify_email', 'unlock_account')).toBeUndefined();
    const found = await type(user.email, typed, 'reset_password');
    expect(await redeem(found!, 'verify_email')).toBeUndefined();
    expect(JSON.stringify(await ports.raw`SELECT * FROM one_time_codes`)).not.toMatch(new RegExp(`${typed}|typedHash`));
  });

  test('guessing: after five wrong ones, concurrent ones included, only the link redeems it', async () => {
    const user = await person();
    const { code, typed } = await both('reset_password', user);
    await Promise.all(Array.from({ length: 10 }, () => type(user.email, WRONG, 'reset_password')));
    const tries = await ports.raw`SELECT typed_tries AS tries FROM one_time_codes WHERE user_id = ${user.id}`;
    expect(tries).toEqual([{ tries: 5 }]);
    expect(await type(user.email, typed, 'reset_password')).toBeUndefined();
    expect(await redeem(code, 'reset_password')).toBeDefined();
    const next = await both('reset_password', user);
    expect(await type(user.email, next.typed, 'reset_password')).toBeDefined();
  });

  test('counts a wrong one for the codes of its purposes only; what cannot be a code is not counted', async () => {
    const user = await person();
    const { typed } = await both('verify_email', user);
    for (let n = 0; n < 6; n += 1) await type(user.email, WRONG, 'unlock_account');
    for (let n = 0; n < 6; n += 1) await type(user.email, 'no code', 'verify_email');
    await type('unknown@people.test', WRONG, 'verify_email');
    expect(await type(user.email, typed, 'verify_email')).toBeDefined();
  });

  test('expires with its link, and is invalid for a code that was issued without one', async () => {
    const user = await person();
    const over = await both('verify_email', user, { lifeSeconds: 0 });
    expect(await type(user.email, over.typed, 'verify_email')).toBeUndefined();
    const { typed } = await both('sign_up', { id: null, email: newEmail() });
    await ports.raw`UPDATE one_time_codes SET sealed = NULL, email = ${user.email} WHERE user_id IS NULL`;
    expect(await type(user.email, typed, 'sign_up')).toBeUndefined();
  });
});

describe('codes for one address', () => {
  test('are limited to three for one purpose and five in total, so that an attacker cannot flood a mailbox', async () => {
    const user = await person();
    const purposes = ['verify_email', 'verify_email', 'verify_email', 'verify_email', 'reset_password'] as const;
    const got: boolean[] = [];
    for (const purpose of purposes) got.push((await issue(purpose, user)) !== null);
    expect(got).toEqual([true, true, true, false, true]);
    expect(await issue('unlock_account', user)).not.toBeNull();
    expect(await issue('change_email', user)).toBeNull();
    expect(await issue('verify_email', await person())).not.toBeNull();
  });

  test('do not prevent invitations and unrequested mails, which are exempt from the limit', async () => {
    const user = await person();
    for (let n = 0; n < 4; n += 1) expect(await issue('invitation', user)).not.toBeNull();
    for (let n = 0; n < 3; n += 1) expect(await issue('unlock_account', user)).not.toBeNull();
    expect(await issue('unlock_account', user)).toBeNull();
    expect(await issue('unlock_account', user, { isUnasked: true })).not.toBeNull();
  });

  test('no longer count towards the limit once they have expired', async () => {
    const user = await person();
    for (let n = 0; n < 3; n += 1) await issued('reset_password', user, { lifeSeconds: 0 });
    expect(await issue('reset_password', user)).not.toBeNull();
  });

  test('no longer count towards the limit ten minutes later, though they are valid for an hour', async () => {
    const user = await person();
    for (let n = 0; n < 3; n += 1) await issued('verify_email', user, { lifeSeconds: 3_600 });
    expect(await issue('verify_email', user)).toBeNull();
    await ports.raw`UPDATE one_time_codes SET created_at = now() - interval '11 minutes' WHERE user_id = ${user.id}`;
    expect(await issue('verify_email', user)).not.toBeNull();
  });
});

describe('deleted codes', () => {
  test('are all codes of a user and an address, or only those for one purpose', async () => {
    const [user, other] = [await person(), await person()];
    const own = await issued('change_email', { ...user, email: newEmail() });
    const toAddress = await issued('sign_up', { id: null, email: user.email });
    const invitation = await issued('invitation', other);
    const kept = await issued('verify_email', other);
    await ports.transact((tx) => deleteCodes(tx, user.id, user.email));
    await ports.transact((tx) => deleteCodesOf(tx, other.id, 'invitation'));
    expect(await findCode(ports.sql, 'change_email', own)).toBeUndefined();
    expect(await findCode(ports.sql, 'sign_up', toAddress)).toBeUndefined();
    expect(await findCode(ports.sql, 'invitation', invitation)).toBeUndefined();
    expect(await findCode(ports.sql, 'verify_email', kept)).toBeDefined();
  });

  test('are only those unlock codes that became void when every session ended; the result says whether there were any', async () => {
    const user = await person();
    const take = () => ports.transact((tx) => takeVoidedUnlock(tx, user.id));
    await issued('unlock_account', user);
    expect(await take()).toBe(false);
    await endSessions(user.id);
    const newer = await issued('unlock_account', user, { userEpoch: 1 });
    expect([await take(), await take()]).toEqual([true, false]);
    expect(await redeem(newer, 'unlock_account')).toBeDefined();
  });
});
