import { createPrivateKey } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { compromiseKey } from './compromise-key.ts';
import { type EnsureKeysSettings, ensureKeys } from './ensure-keys.ts';
import {
  KEY_AUDIENCE,
  KEY_SECRET,
  type KeyHarness,
  type KeyRow,
  keySettings,
  openKeyHarness,
  SKEW_MS,
} from './key-harness.ts';
import { KeyMaterialError } from './key-material.ts';
import { readKeyWarnings } from './key-warnings.ts';
import { listKeys } from './list-keys.ts';
import { retireKeys } from './retire-keys.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';
import { rotateServerSecret } from './secrets/rotate-server-secret.ts';
import { serverSecretPurposes } from './secrets/server-secrets.ts';

let harness: KeyHarness;
beforeAll(async () => {
  harness = await openKeyHarness();
});
afterAll(() => harness?.close());
beforeEach(() => harness.empty());

describe('first start', () => {
  test('eight concurrent copies on an empty database create one key and one set of server secrets', async () => {
    const copies = Array.from({ length: 8 }, () => createTestPorts(harness.databaseUrl));
    const results = await Promise.all(copies.map((copy) => ensureKeys(copy, keySettings(), testCaller)));
    await Promise.all(copies.map((copy) => copy.end()));
    expect(results.flatMap((result) => result.created)).toHaveLength(1);
    expect(await harness.keyRows()).toHaveLength(1);
    const secrets = await harness.ports.raw<{ purpose: string; version: number }>(
      'SELECT purpose, version FROM server_secrets ORDER BY purpose',
    );
    expect(secrets).toEqual([...serverSecretPurposes].sort().map((purpose) => ({ purpose, version: 1 })));
    expect(await harness.eventsOf('key.published')).toHaveLength(1);
    expect(await harness.eventsOf('server_secret.created')).toHaveLength(serverSecretPurposes.length);
  });

  test('the first key signs immediately, also on a copy whose clock is behind', async () => {
    await harness.start();
    const [row] = await harness.keyRows();
    expect(row?.from).toBe((row?.published ?? 0) - SKEW_MS);
    expect(await listKeys(harness.ports)).toMatchObject([{ state: 'active', alg: 'EdDSA', purpose: 'access' }]);
  });

  test('a later start creates nothing, writes no version and rotates nothing', async () => {
    await harness.start();
    const before = await harness.keysVersion();
    expect(await harness.start()).toEqual({ created: [], warnings: [] });
    expect(await harness.keysVersion()).toBe(before);
  });

  test('a changed algorithm applies to new keys: nothing rotates, and the start warns', async () => {
    await harness.start();
    const { created, warnings } = await harness.start(keySettings({ algorithm: 'ES256' }));
    expect(created).toEqual([]);
    expect(warnings).toEqual([
      'The active key signs with EdDSA, but JWT_ALGORITHM is ES256: run sallyport keys rotate',
    ]);
    await rotateSigningKeys(harness.ports, {}, testCaller);
    expect((await harness.keyRows()).map((row) => row.alg)).toEqual(['EdDSA', 'ES256']);
    expect((await harness.start(keySettings({ algorithm: 'ES256' }))).warnings).toEqual([]);
  });

  test('a start warns of an overdue rotation and does not rotate', async () => {
    await harness.start();
    await harness.age(31 * 86_400);
    const { warnings } = await harness.start();
    expect(warnings).toEqual([
      'The active key has signed for longer than KEY_ROTATION_DAYS=30: start a worker, or run sallyport keys rotate',
    ]);
    expect(await readKeyWarnings(harness.ports)).toEqual(warnings);
    expect(await harness.keyRows()).toHaveLength(1);
  });

  test('a database without keys gives no warning', async () => {
    expect(await readKeyWarnings(harness.ports)).toEqual([]);
  });

  test('a longer token lifetime keeps the current keys longer', async () => {
    await harness.start();
    await rotateSigningKeys(harness.ports, {}, testCaller);
    await harness.start(keySettings({}, { accessTokenSeconds: 7_200 }));
    const [current, next] = await harness.keyRows();
    expect([current?.longest, next?.longest]).toEqual([7_200, 7_200]);
    expect(current?.leaves).toBe((current?.until ?? 0) + 7_205_000 + SKEW_MS);
    await harness.start();
    expect((await harness.keyRows()).map((row) => row.longest)).toEqual([7_200, 7_200]);
  });
});

describe('at rest', () => {
  test('no private key and no secret is in a table dump, in any encoding', async () => {
    await harness.start(keySettings({ algorithm: 'HS256', jwtSecret: 'shared-secret-that-no-dump-may-contain' }));
    await rotateSigningKeys(harness.ports, {}, testCaller);
    await rotateServerSecret(harness.ports, { purpose: 'refresh' }, testCaller);
    const dump = JSON.stringify([
      await harness.ports.raw('SELECT * FROM jwks'),
      await harness.ports.raw('SELECT * FROM server_secrets'),
      await harness.ports.raw('SELECT * FROM key_policy'),
      await harness.ports.raw('SELECT * FROM audit_outbox'),
      await harness.ports.raw('SELECT * FROM revocations'),
    ]);
    const secrets: Buffer[] = [Buffer.from('shared-secret-that-no-dump-may-contain')];
    const sealed = await harness.ports.raw<KeyRow>('SELECT id, purpose, alg, "privateKey" FROM jwks');
    expect(sealed.map(({ purpose }) => purpose)).toContain('audit-log');
    for (const row of sealed) {
      const opened = harness.ports.vault.open(row.privateKey, `jwks:${row.purpose}:${row.id}`);
      if (row.alg === 'HS256') continue;
      const jwk = createPrivateKey({ key: opened, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const)
        if (jwk[member] !== undefined) secrets.push(Buffer.from(jwk[member], 'base64url'));
      secrets.push(opened);
    }
    for (const row of await harness.ports.raw<{ purpose: string; version: number; secret: string }>(
      'SELECT * FROM server_secrets',
    ))
      secrets.push(harness.ports.vault.open(row.secret, `server_secret:${row.purpose}:${row.version}`));
    expect(secrets.length).toBeGreaterThan(10);
    for (const secret of secrets)
      for (const encoding of ['utf8', 'latin1', 'hex', 'base64', 'base64url'] as const)
        expect(dump.includes(secret.toString(encoding))).toBe(false);
    expect(dump).not.toMatch(/PRIVATE KEY|"(d|p|q|dp|dq|qi|k)\\*":/);
  });

  test('a writer with another key-encryption key gets an error with a fix and writes nothing', async () => {
    await harness.start();
    const stranger = createTestPorts(harness.databaseUrl, { keyEncryptionKey: Buffer.alloc(32, 9) });
    const before = await harness.keysVersion();
    const [{ id: kid } = { id: '' }] = await harness.keyRows();
    const other = { ...stranger, keysChanged: harness.ports.keysChanged };
    for (const attempt of [
      () => ensureKeys(other, keySettings({ algorithm: 'HS256' }), testCaller),
      () => rotateSigningKeys(other, {}, testCaller),
      () => compromiseKey(other, { kid, reason: 'x' }, testCaller),
      () => rotateServerSecret(other, { purpose: 'refresh' }, testCaller),
    ])
      await expect(attempt()).rejects.toThrow(KeyMaterialError);
    await stranger.end();
    expect(await harness.keysVersion()).toBe(before);
    expect(await harness.keyRows()).toHaveLength(1);
    expect(harness.changes()).toBe(0);
  });

  test('a database that no API has started on has nothing to rotate', async () => {
    await expect(rotateSigningKeys(harness.ports, {}, testCaller)).rejects.toThrow('this database has no keys yet');
  });
});

describe('HS256 mode', () => {
  const hs256 = (jwtSecret?: string): EnsureKeysSettings => keySettings({ algorithm: 'HS256', jwtSecret });
  const sharedRows = async (): Promise<KeyRow[]> => (await harness.keyRows()).filter((row) => row.alg === 'HS256');

  test('has one secret for the default audience, and an asymmetric key beside it', async () => {
    const { created } = await harness.start(hs256());
    expect(created).toHaveLength(2);
    expect((await harness.keyRows()).map((row) => [row.purpose, row.alg]).sort()).toEqual([
      ['access', 'RS256'],
      [`hs256:${KEY_AUDIENCE}`, 'HS256'],
    ]);
    expect((await harness.start(hs256())).created).toEqual([]);
    const [row] = await sharedRows();
    const secret = harness.ports.vault.open(row?.privateKey ?? '', `jwks:${row?.purpose}:${row?.id}`);
    expect(secret.toString()).toBe(KEY_SECRET);
  });

  test('JWT_SECRET takes precedence over BETTER_AUTH_SECRET; a changed one signs immediately and the old one still verifies', async () => {
    await harness.start(hs256());
    await harness.age(60);
    const { created } = await harness.start(hs256('another-secret-of-thirty-two-characters'));
    expect(created).toHaveLength(1);
    const [old, fresh] = await sharedRows();
    expect(fresh).toMatchObject({ id: created[0], from: old?.until, until: null });
    expect(old?.privateKey).not.toBe('');
    await harness.age(905 + SKEW_MS / 1_000 - 1);
    expect((await retireKeys(harness.ports, testCaller)).keys).toEqual([]);
    await harness.age(1);
    expect((await retireKeys(harness.ports, testCaller)).keys).toEqual([old?.id]);
  });

  test('outside HS256 mode a shared secret stops signing', async () => {
    await harness.start(hs256());
    await harness.start();
    const [row] = await sharedRows();
    expect(row?.until).not.toBeNull();
    expect(await harness.eventsOf('key.stopped')).toMatchObject([{ target_id: row?.id }]);
    await harness.start(hs256());
    expect(await sharedRows()).toHaveLength(2);
  });

  test('a compromised shared secret is not used again at the next start, which warns', async () => {
    await harness.start(hs256());
    const [before] = await sharedRows();
    const { signer } = await compromiseKey(harness.ports, { kid: before?.id ?? '', reason: 'leaked' }, testCaller);
    expect(signer).toMatchObject({ alg: 'HS256', purpose: `hs256:${KEY_AUDIENCE}` });
    const { created, warnings } = await harness.start(hs256());
    expect(created).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('marked compromised')]);
    expect((await harness.start(hs256('a-new-secret-of-thirty-two-characters!'))).created).toHaveLength(1);
    await harness.start();
    expect((await harness.start(hs256())).created).toHaveLength(1);
    const open = (await sharedRows()).filter((row) => row.until === null);
    expect(
      harness.ports.vault.open(open[0]?.privateKey ?? '', `jwks:${open[0]?.purpose}:${open[0]?.id}`).toString(),
    ).not.toBe(KEY_SECRET);
  });
});
