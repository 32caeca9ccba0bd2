import { hashSync } from '@node-rs/bcrypt';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PasswordHasher } from '#services/core/ports.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { insertPerson } from '#tools/testing/flows/signed-in.ts';
import { opened } from '#tools/testing/opened.ts';
import { openFactorsHarness } from '../factors/factors-harness.ts';
import { userCaller } from '../sign-in/finish-sign-in.ts';
import { isUpgradedSince, upgradeDigest } from './hash-password.ts';
import { importedKeyPurge } from './imported-keys.store.ts';
import { createImportedKeys, storeImportedKey } from './imported-keys.ts';

const harness = opened(() => openFactorsHarness());
let weak: string;
beforeAll(async () => {
  weak = hashSync(harness.password, 4);
});

const warnings: unknown[] = [];
async function account(digest: string): Promise<{ readonly userId: string; readonly email: string }> {
  const email = newEmail();
  return { userId: await insertPerson({ stores: { pools: { main: harness.pool } } }, email, digest), email };
}
/** As after a sign-in that verified the password against this digest. */
const upgrade = (userId: string, digest: string, changes: Partial<PasswordHasher> = {}) => {
  const { deps } = harness;
  const log = { ...deps.log, warn: (...line: unknown[]) => void warnings.push(line) };
  const caller = userCaller(userId, { request: { ip: '', userAgent: '', traceId: '', traceparent: '' } });
  const ports = { ...deps, log, hasher: { ...deps.hasher, ...changes } };
  return upgradeDigest(ports, { userId, digest }, harness.password, caller);
};
const digestOf = async (userId: string): Promise<string> =>
  (await harness.rows`SELECT password FROM accounts WHERE "userId" = ${userId}`)[0].password;
const rehashedOf = (userId: string) =>
  harness.rows`SELECT outcome FROM audit_outbox WHERE type = 'account.password_rehashed' AND target_id = ${userId}`;
const epochOf = async (userId: string) =>
  (await harness.rows`SELECT "tokenEpoch", "passwordChangedAt" FROM users WHERE id = ${userId}`)[0];

describe('a digest that has verified a password', () => {
  test('is replaced by a current digest; the audit log records an upgrade, not a password change', async () => {
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

  test('stays if it is current, and nothing is hashed', async () => {
    const { userId } = await account(harness.digest);
    await upgrade(userId, harness.digest, { hash: () => Promise.reject(new Error('hashed in vain')) });
    expect([await digestOf(userId), await rehashedOf(userId)]).toEqual([harness.digest, []]);
    expect(warnings).toEqual([]);
  });

  test('replaces no password that changed in the meantime', async () => {
    const { userId } = await account(weak);
    const other = hashSync('another password', 4);
    const hash: PasswordHasher['hash'] = async () => {
      await harness.rows`UPDATE accounts SET password = ${other} WHERE "userId" = ${userId}`;
      return harness.digest;
    };
    await upgrade(userId, weak, { hash });
    expect([await digestOf(userId), await rehashedOf(userId)]).toEqual([other, []]);
  });

  test('is replaced once by two concurrent sign-ins', async () => {
    const { userId } = await account(weak);
    await Promise.all([upgrade(userId, weak), upgrade(userId, weak)]);
    expect(await digestOf(userId)).toMatch(/^\$2b\$12\$/);
    expect(await rehashedOf(userId)).toHaveLength(1);
  });

  test('stays if the upgrade fails, which is logged; the sign-in succeeds', async () => {
    const { userId } = await account(weak);
    const err = new Error('no child');
    await upgrade(userId, weak, { hash: () => Promise.reject(err) });
    expect([await digestOf(userId), await rehashedOf(userId)]).toEqual([weak, []]);
    expect(warnings.splice(0)).toEqual([[{ err }, expect.any(String)]]);
  });
});

/** Well-formed, but matches no password. */
const otherStrong = (): string => `${harness.digest.slice(0, 7)}${'a'.repeat(53)}`;

describe('whether another sign-in has upgraded the digest', () => {
  const since = (email: string, digest: string) => isUpgradedSince(harness.deps, email, { userId: 'any', digest });

  test('is true if a strong digest replaced a weak one', async () =>
    expect(await since((await account(harness.digest)).email, weak)).toBe(true));

  test.each([
    ['the verified digest was strong, so another digest is another password', otherStrong, () => harness.digest],
    ['the verified digest is still stored', () => weak, () => weak],
    ['the stored digest is weak as well', () => hashSync('another password', 4), () => weak],
  ])('is false if %s', async (_why, stored, verified) => {
    const { email } = await account(stored());
    expect(await since(email, verified())).toBe(false);
  });

  test('is false if the account or its password was deleted', async () => {
    const { userId, email } = await account(weak);
    await harness.rows`DELETE FROM accounts WHERE "userId" = ${userId}`;
    expect([await since(email, weak), await since(newEmail(), weak)]).toEqual([false, false]);
  });
});

const store = (key: Uint8Array): Promise<string> =>
  harness.deps.transact((tx) => storeImportedKey(tx, harness.deps, key));
const rowOf = (id: string) => harness.rows`SELECT sealed, created_at FROM imported_hash_keys WHERE id = ${id}`;
const age = (id: string) =>
  harness.rows`UPDATE imported_hash_keys SET created_at = created_at - interval '8 days' WHERE id = ${id}`;
const purge = () =>
  harness.deps.transact(async (tx) => (await importedKeyPurge.removeBatch(tx, 100, '-infinity')).removed);

test('a key is stored sealed, under an id that repeats, and read by that id', async () => {
  const key = Buffer.alloc(64, 1);
  const id = await store(key);
  expect(await store(key)).toBe(id);
  const rows = await rowOf(id);
  expect(rows).toHaveLength(1);
  expect(rows[0].sealed).not.toContain(key.toString('base64'));
  const read = createImportedKeys(harness.deps);
  expect(await read(id)).toEqual(key);
  await harness.rows`DELETE FROM imported_hash_keys WHERE id = ${id}`;
  expect(await read(id), 'opened once').toEqual(key);
  expect(await createImportedKeys(harness.deps)(id)).toBeUndefined();
});

test('a key is purged a week after its last import, if no digest names it', async () => {
  const [used, unused] = [await store(Buffer.alloc(64, 2)), await store(Buffer.alloc(64, 3))];
  const digest = `$fbscrypt$k=${used},m=14,r=8,ss=Bw==$c2FsdA==$${'A'.repeat(86)}==`;
  await insertPerson({ stores: { pools: { main: harness.pool } } }, newEmail(), digest);
  expect(await purge()).toBe(0);
  await age(used);
  await age(unused);
  await store(Buffer.alloc(64, 3));
  expect(await purge(), 'its age begins again with an import').toBe(0);
  await age(unused);
  expect(await importedKeyPurge.readOverdueMs(harness.deps.sql)).toBeGreaterThan(0);
  expect(await purge()).toBe(1);
  expect([await rowOf(used), await rowOf(unused)]).toMatchObject([[{}], []]);
});
