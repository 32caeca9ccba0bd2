import { hashSync } from '@node-rs/bcrypt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PasswordHasher } from '#services/domain/ports.ts';
import { newEmail } from '#testing/flows/flows.ts';
import { insertPerson } from '#testing/flows/signed-in.ts';
import { type FactorsHarness, openFactorsHarness } from '../factors/factors-harness.ts';
import { userCaller } from '../sign-in/finish-sign-in.ts';
import { isUpgradedSince, upgradeDigest } from './upgrade-digest.ts';

let harness: FactorsHarness;
let weak: string;
beforeAll(async () => {
  harness = await openFactorsHarness();
  weak = hashSync(harness.password, { cost: 4 });
});
afterAll(() => harness?.close());

const warnings: unknown[] = [];
async function account(digest: string): Promise<{ readonly userId: string; readonly email: string }> {
  const email = newEmail();
  return { userId: await insertPerson({ stores: { pools: { main: harness.pool } } }, email, digest), email };
}
/** As after a sign-in that has proved the password by this digest. */
const upgrade = (userId: string, digest: string, changes: Partial<PasswordHasher> = {}) => {
  const { deps } = harness;
  const log = { ...deps.log, warn: (...line: unknown[]) => void warnings.push(line) };
  const caller = userCaller(userId, { request: { ip: '', userAgent: '', traceId: '', traceparent: '' } });
  const ports = { ...deps, log, hasher: { ...deps.hasher, ...changes } };
  return upgradeDigest(ports, { userId, digest }, harness.password, caller);
};
const digestOf = async (userId: string): Promise<string> =>
  (await harness.rows('SELECT password FROM accounts WHERE "userId" = $1', [userId]))[0].password;
const rehashedOf = (userId: string) =>
  harness.rows(`SELECT outcome FROM audit_outbox WHERE type = 'account.password_rehashed' AND target_id = $1`, [
    userId,
  ]);
const epochOf = async (userId: string) =>
  (await harness.rows('SELECT "tokenEpoch", "passwordChangedAt" FROM users WHERE id = $1', [userId]))[0];

describe('a digest by which a password was proved', () => {
  test('gives place to one of today: the log says so, and it is no change of the password', async () => {
    const { userId } = await account(weak);
    const before = await epochOf(userId);
    await upgrade(userId, weak);
    expect(await digestOf(userId)).toMatch(/^\$2b\$12\$/);
    expect(
      await harness.deps.hasher.verify(harness.password, await digestOf(userId), {
        clientPrefix: '',
        knownDevice: true,
      }),
    ).toBe(true);
    expect(await rehashedOf(userId)).toEqual([{ outcome: 'ok' }]);
    expect(await epochOf(userId)).toEqual(before);
    const changes = `SELECT 1 FROM audit_outbox WHERE target_id = $1 AND type = 'account.password_changed'`;
    expect(await harness.rows(changes, [userId])).toEqual([]);
  });

  test('of today stays, and nothing is hashed', async () => {
    const { userId } = await account(harness.digest);
    await upgrade(userId, harness.digest, { hash: () => Promise.reject(new Error('hashed in vain')) });
    expect([await digestOf(userId), await rehashedOf(userId)]).toEqual([harness.digest, []]);
    expect(warnings).toEqual([]);
  });

  test('puts nothing in place of a password that was changed meanwhile', async () => {
    const { userId } = await account(weak);
    const other = hashSync('another password', { cost: 4 });
    const hash: PasswordHasher['hash'] = async () => {
      await harness.rows('UPDATE accounts SET password = $2 WHERE "userId" = $1', [userId, other]);
      return harness.digest;
    };
    await upgrade(userId, weak, { hash });
    expect([await digestOf(userId), await rehashedOf(userId)]).toEqual([other, []]);
  });

  test('of two sign-ins at once is replaced once', async () => {
    const { userId } = await account(weak);
    await Promise.all([upgrade(userId, weak), upgrade(userId, weak)]);
    expect(await digestOf(userId)).toMatch(/^\$2b\$12\$/);
    expect(await rehashedOf(userId)).toHaveLength(1);
  });

  test('that cannot be replaced now stays, and the log says so: the sign-in is not refused for it', async () => {
    const { userId } = await account(weak);
    const err = new Error('no child');
    await upgrade(userId, weak, { hash: () => Promise.reject(err) });
    expect([await digestOf(userId), await rehashedOf(userId)]).toEqual([weak, []]);
    expect(warnings.splice(0)).toEqual([[{ err }, expect.any(String)]]);
  });
});

/** Well-formed, of no password. */
const otherStrong = (): string => `${harness.digest.slice(0, 7)}${'a'.repeat(53)}`;

describe('whether another sign-in has replaced the digest since it was proved', () => {
  const since = (email: string, digest: string) => isUpgradedSince(harness.deps, email, { userId: 'whoever', digest });

  test('is so where a strong one stands in the place of a weak one', async () => {
    expect(await since((await account(harness.digest)).email, weak)).toBe(true);
  });

  test.each([
    ['what was proved was strong: another in its place is another password', otherStrong, () => harness.digest],
    ['it stands there still', () => weak, () => weak],
    ['what stands there is weak as well', () => hashSync('another password', { cost: 4 }), () => weak],
  ])('is not so where %s', async (_why, stands, proven) => {
    const { email } = await account(stands());
    expect(await since(email, proven())).toBe(false);
  });

  test('is not so where the account, or its password, is gone', async () => {
    const { userId, email } = await account(weak);
    await harness.rows('DELETE FROM accounts WHERE "userId" = $1', [userId]);
    expect(await since(email, weak)).toBe(false);
    expect(await since(newEmail(), weak)).toBe(false);
  });
});
