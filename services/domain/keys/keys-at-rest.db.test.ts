import { createPrivateKey } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type KeyRow, type KeyWorld, keySettings, openKeyWorld } from '../../platform/testing/key-world.ts';
import { createTestPorts, testCaller } from '../../platform/testing/ports.ts';
import { compromiseKey } from './compromise-key.ts';
import { ensureKeys } from './ensure-keys.ts';
import { KeyMaterialError } from './key-material.ts';
import { rotateServerSecret } from './rotate-server-secret.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';

let world: KeyWorld;
beforeAll(async () => {
  world = await openKeyWorld();
});
afterAll(() => world?.close());
beforeEach(() => world.empty());

describe('at rest', () => {
  test('no private part and no secret is in a table dump, in any encoding (A-KEY-04)', async () => {
    await world.start(keySettings({ algorithm: 'HS256', jwtSecret: 'shared-secret-that-nobody-may-see-in-a-dump' }));
    await rotateSigningKeys(world.ports, {}, testCaller);
    await rotateServerSecret(world.ports, { purpose: 'refresh' }, testCaller);
    const dump = JSON.stringify([
      await world.ports.raw('SELECT * FROM jwks'),
      await world.ports.raw('SELECT * FROM server_secrets'),
      await world.ports.raw('SELECT * FROM key_policy'),
      await world.ports.raw('SELECT * FROM audit_outbox'),
      await world.ports.raw('SELECT * FROM revocations'),
    ]);
    const secrets: Buffer[] = [Buffer.from('shared-secret-that-nobody-may-see-in-a-dump')];
    const sealed = await world.ports.raw<KeyRow>('SELECT id, purpose, alg, "privateKey" FROM jwks');
    expect(sealed.map(({ purpose }) => purpose)).toContain('audit-log');
    for (const row of sealed) {
      const opened = world.ports.vault.open(row.privateKey, `jwks:${row.purpose}:${row.id}`);
      if (row.alg === 'HS256') continue;
      const jwk = createPrivateKey({ key: opened, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const)
        if (jwk[member] !== undefined) secrets.push(Buffer.from(jwk[member], 'base64url'));
      secrets.push(opened);
    }
    for (const row of await world.ports.raw<{ purpose: string; version: number; secret: string }>(
      'SELECT * FROM server_secrets',
    ))
      secrets.push(world.ports.vault.open(row.secret, `server_secret:${row.purpose}:${row.version}`));
    expect(secrets.length).toBeGreaterThan(10);
    for (const secret of secrets)
      for (const encoding of ['utf8', 'latin1', 'hex', 'base64', 'base64url'] as const)
        expect(dump.includes(secret.toString(encoding))).toBe(false);
    expect(dump).not.toMatch(/PRIVATE KEY|"(d|p|q|dp|dq|qi|k)\\*":/);
  });

  test('a writer with another key-encryption key is refused with a fix and writes nothing', async () => {
    await world.start();
    const stranger = createTestPorts(world.databaseUrl, { keyEncryptionKey: Buffer.alloc(32, 9) });
    const before = await world.keysVersion();
    const [{ id: kid } = { id: '' }] = await world.keyRows();
    const other = { ...stranger, keysChanged: world.ports.keysChanged };
    for (const attempt of [
      () => ensureKeys(other, keySettings({ algorithm: 'HS256' }), testCaller),
      () => rotateSigningKeys(other, {}, testCaller),
      () => compromiseKey(other, { kid, reason: 'x' }, testCaller),
      () => rotateServerSecret(other, { purpose: 'refresh' }, testCaller),
    ])
      await expect(attempt()).rejects.toThrow(KeyMaterialError);
    await stranger.end();
    expect(await world.keysVersion()).toBe(before);
    expect(await world.keyRows()).toHaveLength(1);
    expect(world.changes()).toBe(0);
  });

  test('a database no API has started on has nothing to rotate', async () => {
    await expect(rotateSigningKeys(world.ports, {}, testCaller)).rejects.toThrow('this database has no keys yet');
  });
});
