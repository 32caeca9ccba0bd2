import { beforeEach, describe, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import type { Tx } from '../ports.ts';
import { compromiseKey } from './compromise-key.ts';
import { KEY_AUDIENCE, keySettings, openKeyHarness } from './key-harness.ts';
import { LOG_PURPOSE, sharedSecretPurpose } from './key-timeline.ts';
import { deleteKeyHistory, type KeyRow, lockKeys, readKeysOf } from './keys.store.ts';
import { listKeys } from './list-keys.ts';
import { advanceLogKey } from './log/advance-log-key.ts';
import { makeReplacements, replaceAllKeys } from './replace-all-keys.ts';
import { retireKeys } from './retire-keys.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';
import { rotateServerSecret } from './secrets/rotate-server-secret.ts';

const harness = opened(() => openKeyHarness());
const ports = partOf(() => harness.ports);
beforeEach(async () => {
  await harness.empty();
  await harness.start();
});

const keysOf = (purpose: string): Promise<KeyRow[]> => readKeysOf(ports.sql, purpose);
const SHARED = sharedSecretPurpose(KEY_AUDIENCE);
const hs256 = keySettings({ algorithm: 'HS256' });

/** Makes the waiting key sign now. */
const keysAged = defineStatement('testKeysAged')`
  UPDATE jwks SET signs = tstzrange(lower(signs) - interval '2 minutes', upper(signs) - interval '2 minutes')`;

/**
 * Makes `change` under the key writers' lock and commits it once `act` waits for that lock: what `act` read before is
 * outdated.
 */
async function overtaken<T>(change: (tx: Tx) => Promise<unknown>, act: () => Promise<T>): Promise<T> {
  const waiting = `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
  const { acting } = await ports.transact(async (tx) => {
    await lockKeys(tx);
    await change(tx);
    const started = act();
    started.catch(() => {});
    await expect.poll(() => ports.raw(waiting)).toHaveLength(1);
    return { acting: started };
  });
  return acting;
}

describe('overtaken by another writer', () => {
  test('a rotation whose waiting key begins to sign before it gets the lock publishes the next key', async () => {
    const { key: waiting } = await rotateSigningKeys(ports, {}, testCaller);
    const { outcome, key } = await overtaken(
      (tx) => tx.query(keysAged),
      () => rotateSigningKeys(ports, {}, testCaller),
    );
    expect(outcome).toBe('publish');
    expect(await listKeys(ports)).toMatchObject([
      { state: 'retiring' },
      { state: 'active', kid: waiting.kid, signs_until: key.activates_at },
      { state: 'pending', kid: key.kid },
    ]);
  });

  test('a key whose history is deleted before it can be marked is unknown, and nothing is revoked', async () => {
    const [{ kid } = { kid: '' }] = await listKeys(ports);
    await rotateSigningKeys(ports, {}, testCaller);
    await harness.age(500 * 86_400);
    await expect(
      overtaken(deleteKeyHistory, () => compromiseKey(ports, { kid, reason: 'found in a log' }, testCaller)),
    ).rejects.toMatchObject({ code: 'key_unknown' });
    expect(await ports.raw`SELECT 1 FROM revocations`).toEqual([]);
    expect(await listKeys(ports)).toMatchObject([{ state: 'active' }]);
  });

  test('a purpose added after the replacements were generated loses its key too; the next start creates another', async () => {
    const replacements = await makeReplacements(ports);
    const { created: shared } = await harness.start(hs256);
    const { compromised, created } = await ports.transact((tx) =>
      replaceAllKeys(ports, tx, replacements, 'restored', testCaller),
    );
    expect(compromised).toHaveLength(2);
    expect(compromised).toEqual(expect.arrayContaining([...shared]));
    expect(created).toEqual([replacements.byPurpose.get('access')?.kid]);
    const next = await harness.start(hs256);
    expect(await keysOf(SHARED)).toMatchObject([
      { kid: shared[0], sealed_private_key: '' },
      { kid: next.created[0], signs_until: null },
    ]);
  });
});

describe('a database with rows missing', () => {
  test('without a signer, a rotation publishes one that signs immediately', async () => {
    await ports.raw`DELETE FROM jwks WHERE purpose = 'access'`;
    const { key } = await rotateSigningKeys(ports, {}, testCaller);
    expect(await listKeys(ports)).toMatchObject([{ state: 'active', kid: key.kid }]);
  });

  test('an audit log without a key gets one that signs immediately', async () => {
    await ports.raw`DELETE FROM jwks WHERE purpose = ${LOG_PURPOSE}`;
    const kid = await advanceLogKey(ports, { onlyWhenDue: true }, testCaller);
    const [key] = await keysOf(LOG_PURPOSE);
    expect(key).toMatchObject({ kid, alg: 'EdDSA', signs_until: null });
    expect(key?.signs_from).toBeLessThan(key?.published_at ?? 0);
  });

  test('a server secret without a version gets its first', async () => {
    await ports.raw`DELETE FROM server_secrets WHERE purpose = 'csrf'`;
    const rotated = await rotateServerSecret(ports, { purpose: 'csrf' }, testCaller);
    expect(rotated).toMatchObject({ outcome: 'created', version: 1 });
  });

  test('without a policy no server secret is destroyed: how long a token family needs it is unknown', async () => {
    await rotateServerSecret(ports, { purpose: 'refresh' }, testCaller);
    await ports.raw`UPDATE server_secrets SET activates_at = activates_at - interval '2 days'`;
    await ports.raw`TRUNCATE key_policy`;
    expect(await retireKeys(ports, testCaller)).toEqual({ keys: [], secrets: [] });
    await harness.start();
    expect(await retireKeys(ports, testCaller)).toEqual({ keys: [], secrets: ['refresh:1'] });
  });
});

describe('a compromised key of another purpose', () => {
  test("the audit log's is replaced by one that signs checkpoints, whatever the token algorithm", async () => {
    await harness.start(keySettings({ algorithm: 'ES256' }));
    const [log] = await keysOf(LOG_PURPOSE);
    const { signer } = await compromiseKey(ports, { kid: log?.kid ?? '', reason: 'leaked' }, testCaller);
    expect(signer).toMatchObject({ purpose: LOG_PURPOSE, alg: 'EdDSA', state: 'active' });
    expect(signer?.kid).not.toBe(log?.kid);
  });

  test('a shared secret is not replaced after HS256 mode was turned off', async () => {
    const { created } = await harness.start(hs256);
    await harness.start();
    await harness.age(60);
    const kid = created[0] ?? '';
    expect(await compromiseKey(ports, { kid, reason: 'leaked' }, testCaller)).toMatchObject({
      key: { kid, state: 'compromised' },
      signer: null,
      notice: 'The key did not sign; the signer is unchanged.',
    });
    expect(await keysOf(SHARED)).toHaveLength(1);
  });
});
