import { beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '#services/platform/crypto/system.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import { createTestPorts, type TestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { killedEverywhere } from '#tools/testing/processes/killable.ts';
import { type EnsureKeysSettings, ensureKeys } from '../ensure-keys.ts';
import { KeyMaterialError } from '../key-material.ts';
import { createKeyRing } from '../key-ring.ts';
import { retireKeys } from '../retire-keys.ts';
import { rotateSigningKeys } from '../rotate-signing-keys.ts';
import { rewrapSealedValues } from './rewrap-sealed-values.ts';
import { rotateServerSecret } from './rotate-server-secret.ts';
import { importedHashKeyContext } from './sealed-contexts.ts';

const [OLD, NEW, STRANGE] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte)) as [Buffer, Buffer, Buffer];
const AUDIENCE = 'https://api.example.test';
const settings: EnsureKeysSettings = {
  keys: {
    algorithm: 'HS256',
    additionalAlgorithms: [],
    jwtSecret: 'shared-secret-of-more-than-thirty-two-characters',
    prepublishSeconds: 60,
    rotationDays: 30,
    ringBoundSeconds: 30,
  },
  tokens: { accessTokenSeconds: 900, leewaySeconds: 5, refreshAbsoluteSeconds: 3_600 },
  authSecret: 'a-secret-of-more-than-thirty-two-characters',
  audience: AUDIENCE,
};

const database = opened(createTestDatabase);
const old = opened(() => createTestPorts(database.url, { keyEncryptionKey: OLD }));
const fresh = opened(() => createTestPorts(database.url, { keyEncryptionKey: NEW }));

const keysChanged = (): void => {};

/** Keys of every kind: signing, waiting, past their range, shared; secrets of two versions, one destroyed. */
beforeEach(async () => {
  await old.raw`TRUNCATE jwks, server_secrets, key_policy, imported_hash_keys, audit_outbox, revocations`;
  await ensureKeys(old, settings, testCaller);
  await rotateSigningKeys({ ...old, keysChanged }, {}, testCaller);
  await rotateServerSecret({ ...old, keysChanged }, { purpose: 'refresh' }, testCaller);
  await old.raw`UPDATE jwks SET signs = tstzrange(lower(signs) - interval '1 day', upper(signs) - interval '1 day')`;
  await old.raw`UPDATE server_secrets SET activates_at = activates_at - interval '1 day'`;
  await retireKeys(old, testCaller);
  await rotateServerSecret({ ...old, keysChanged }, { purpose: 'refresh' }, testCaller);
  await ensureKeys(
    old,
    { ...settings, keys: { ...settings.keys, jwtSecret: `${settings.keys.jwtSecret}!` } },
    testCaller,
  );
  const id = 'k'.repeat(22);
  const sealed = old.vault.seal(Buffer.from('signer key'), importedHashKeyContext(id));
  await old.raw`INSERT INTO imported_hash_keys (id, sealed) VALUES (${id}, ${sealed})`;
});

/** Every sealed text in the database, in any table. */
async function sealedTexts(): Promise<string[]> {
  const columns = await old.raw<{ table: string; column: string }>`
    SELECT c.table_name AS table, c.column_name AS column FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
      AND c.data_type IN ('text', 'jsonb', 'character varying')`;
  const found: string[] = [];
  for (const { table, column } of columns) {
    const rows = await old.raw<{ value: string }>(
      `SELECT "${column}"::text AS value FROM "${table}" WHERE "${column}"::text ~ '^v1\\.[A-Za-z0-9_-]{38,}$'`,
    );
    found.push(...rows.map(({ value }) => value));
  }
  return found;
}
const ringOf = (ports: TestPorts) =>
  createKeyRing(
    { ...ports, clock: systemClock, random: systemRandom },
    { algorithm: 'HS256', jwksMaxAgeSeconds: 60, ringBoundSeconds: 30 },
  );
const previous = createVault(OLD);

describe('a new key-encryption key', () => {
  test('every sealed value in any table is re-encrypted and opens to the same plaintext', async () => {
    const before = ringOf(old);
    await before.load();
    const sealed = await sealedTexts();
    expect(sealed.length).toBeGreaterThanOrEqual(10);
    expect(await rewrapSealedValues(fresh, { previous }, testCaller)).toEqual({
      sealed: sealed.length,
      rewrapped: sealed.length,
    });
    const after = await sealedTexts();
    expect(after).toHaveLength(sealed.length);
    expect(after.filter((value) => sealed.includes(value))).toEqual([]);
    const ring = ringOf(fresh);
    await ring.load();
    expect([ring.list(), ring.secret('pepper')]).toEqual([before.list(), before.secret('pepper')]);
    expect(ring.secretVersion('refresh', 2)).toEqual(before.secretVersion('refresh', 2));
    expect(await ring.sign({ typ: 'at+jwt' }, { aud: AUDIENCE })).toBe(
      await before.sign({ typ: 'at+jwt' }, { aud: AUDIENCE }),
    );
    await expect(rewrapSealedValues(old, {}, testCaller)).rejects.toThrow(KeyMaterialError);
  });

  test('is in the audit log once, and a second run writes nothing', async () => {
    await rewrapSealedValues(fresh, { previous }, testCaller);
    const state = await old.raw`SELECT keys_version FROM feed_state`;
    expect(await rewrapSealedValues(fresh, { previous }, testCaller)).toMatchObject({ rewrapped: 0 });
    expect(await old.raw`SELECT keys_version FROM feed_state`).toEqual(state);
    expect(await old.raw`SELECT 1 FROM audit_outbox WHERE type = 'key_encryption.changed'`).toHaveLength(1);
  });

  test('a start with the previous key re-encrypts before anything else', async () => {
    const answer = await ensureKeys(fresh, { ...settings, previousVault: previous }, testCaller);
    expect(answer.created).toHaveLength(1);
    expect(await rewrapSealedValues(fresh, {}, testCaller)).toMatchObject({ rewrapped: 0 });
  });

  test('`onlyLook` only counts them', async () => {
    const sealed = await sealedTexts();
    expect(await rewrapSealedValues(fresh, { previous, onlyLook: true }, testCaller)).toMatchObject({
      rewrapped: sealed.length,
    });
    expect(await sealedTexts()).toEqual(sealed);
  });

  test('a copy that keeps running continues to sign with the keys it had opened', async () => {
    const running = ringOf(old);
    await running.load();
    await rewrapSealedValues(fresh, { previous }, testCaller);
    await running.load();
    expect(running.isFresh()).toBe(true);
    expect(await running.sign({ typ: 'JWT' }, { sub: 'x' })).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    await expect(rotateSigningKeys({ ...old, keysChanged }, {}, testCaller)).rejects.toThrow(KeyMaterialError);
  });
});

describe('an unknown key-encryption key', () => {
  const refused = async (attempt: Promise<unknown>): Promise<KeyMaterialError> => {
    const err = await attempt.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(err).toBeInstanceOf(KeyMaterialError);
    return err as KeyMaterialError;
  };

  test('stops the start and names the variable to set', async () => {
    const { message, fix } = await refused(ensureKeys(fresh, settings, testCaller));
    expect(message).toMatch(/sealed under another key-encryption key/);
    expect(fix).toMatch(/KEY_ENCRYPTION_KEY_PREVIOUS/);
  });

  test('one value that opens with neither key: nothing is re-encrypted', async () => {
    const [row] = await old.raw<{ kid: string; purpose: string }>`SELECT id AS kid, purpose FROM jwks
      WHERE alg = 'RS256' LIMIT 1`;
    const strange = createVault(STRANGE).seal(Buffer.from('x'), `jwks:${row?.purpose}:${row?.kid}`);
    await old.raw`UPDATE jwks SET "privateKey" = ${strange} WHERE id = ${row?.kid}`;
    const before = await sealedTexts();
    const { message, fix } = await refused(ensureKeys(fresh, { ...settings, previousVault: previous }, testCaller));
    expect(message).toMatch(/open neither with KEY_ENCRYPTION_KEY nor with KEY_ENCRYPTION_KEY_PREVIOUS/);
    expect(`${message} ${fix}`).not.toContain(strange);
    expect(await sealedTexts()).toEqual(before);
  });
});

test('killed before or after any statement, everything opens under one of the two, and the next start finishes', async () => {
  const base64 = (key: Buffer): string => key.toString('base64');
  const keys = { keyEncryptionKey: base64(NEW), previousKeyEncryptionKey: base64(OLD) };
  let kills = 0;
  for await (const { run } of killedEverywhere({ url: database.url, work: 'rewrap', ...keys })) {
    await rewrapSealedValues(old, { previous: createVault(NEW) }, testCaller);
    if ((await run()) !== null) continue;
    kills += 1;
    const { rewrapped, sealed } = await rewrapSealedValues(fresh, { previous, onlyLook: true }, testCaller);
    expect([0, sealed]).toContain(rewrapped);
    // Two concurrent starts: one finishes the work, and the other finds nothing to do.
    const two = await Promise.all([1, 2].map(() => rewrapSealedValues(fresh, { previous }, testCaller)));
    expect(two.reduce((sum, each) => sum + each.rewrapped, 0)).toBe(rewrapped);
  }
  expect(kills).toBeGreaterThan(8);
});
