import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { compromiseKey } from './compromise-key.ts';
import { type KeyHarness, openKeyHarness, SKEW_MS } from './key-harness.ts';
import { listKeys } from './list-keys.ts';
import { retireKeys } from './retire-keys.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';
import { rotateServerSecret } from './secrets/rotate-server-secret.ts';

let harness: KeyHarness;
beforeAll(async () => {
  harness = await openKeyHarness();
});
afterAll(() => harness?.close());
beforeEach(() => harness.empty());

describe('rotation', () => {
  beforeEach(() => harness.start());

  test('publishes the next key now; the current range ends at exactly its lower bound', async () => {
    const { outcome, key } = await rotateSigningKeys(harness.ports, {}, testCaller);
    expect(outcome).toBe('publish');
    const [current, next] = await harness.keyRows();
    expect(next).toMatchObject({ id: key.kid, until: null, from: current?.until });
    expect((next?.from ?? 0) - (next?.published ?? 0)).toBe(60_000 + SKEW_MS);
    expect(current?.leaves).toBe((current?.until ?? 0) + 905_000 + SKEW_MS);
    expect(await listKeys(harness.ports)).toMatchObject([{ state: 'active' }, { state: 'pending', kid: key.kid }]);
    expect(harness.changes()).toBe(1);
    const events = await harness.eventsOf('key.published');
    expect(events.at(-1)).toMatchObject({
      target_id: key.kid,
      actor_id: 'test',
      detail: { signs_from: key.activates_at },
    });
  });

  test('ten concurrent rotations and one more publish one key; all return it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => rotateSigningKeys(harness.ports, {}, testCaller)),
    );
    answers.push(await rotateSigningKeys(harness.ports, {}, testCaller));
    expect(new Set(answers.map((answer) => answer.key.kid)).size).toBe(1);
    expect(answers.filter((answer) => answer.outcome === 'publish')).toHaveLength(1);
    expect(await harness.keyRows()).toHaveLength(2);
    expect(harness.changes()).toBe(1);
  });

  test('a scheduled rotation does nothing before its day', async () => {
    expect(await rotateSigningKeys(harness.ports, { onlyWhenDue: true }, testCaller)).toMatchObject({
      outcome: 'not_due',
    });
    await harness.age(30 * 86_400);
    expect(await rotateSigningKeys(harness.ports, { onlyWhenDue: true }, testCaller)).toMatchObject({
      outcome: 'publish',
    });
  });

  test('two signers at the same time cannot be written by any statement (exclusion constraint)', async () => {
    const insert = `INSERT INTO jwks (id, purpose, alg, "publicKey", "privateKey", signs, longest_token_seconds)
      VALUES ('second', $1, 'EdDSA', '{}', 'x', tstzrange(now() + interval '1 hour', NULL), 900)`;
    await expect(harness.ports.raw(insert, ['access'])).rejects.toMatchObject({ code: '23P01' });
    await harness.ports.raw(insert, ['another-purpose']);
    await harness.ports.raw(`DELETE FROM jwks WHERE id = 'second'`);
  });

  test('a signer without its private key cannot be written', async () => {
    await expect(harness.ports.raw(`UPDATE jwks SET "privateKey" = ''`)).rejects.toMatchObject({ code: '23514' });
  });
});

describe('retirement', () => {
  beforeEach(async () => {
    await harness.start();
    await rotateSigningKeys(harness.ports, {}, testCaller);
  });

  test('the private key is destroyed once no copy can still sign with it, and not before', async () => {
    const [{ id: kid } = { id: '' }] = await harness.keyRows();
    await harness.age(60 + SKEW_MS / 1_000 + 1);
    expect(await retireKeys(harness.ports, testCaller)).toEqual({ keys: [], secrets: [] });
    await harness.age(SKEW_MS / 1_000);
    expect(await retireKeys(harness.ports, testCaller)).toEqual({ keys: [kid], secrets: [] });
    expect((await harness.keyRows()).map((row) => row.privateKey === '')).toEqual([true, false]);
    expect(await harness.eventsOf('key.private_part_destroyed')).toMatchObject([{ target_id: kid }]);
    expect(await retireKeys(harness.ports, testCaller)).toEqual({ keys: [], secrets: [] });
    expect(await listKeys(harness.ports)).toMatchObject([{ state: 'retiring' }, { state: 'active' }]);
  });

  test('history is deleted after a year, except for compromised keys', async () => {
    await harness.age(86_400);
    await compromiseKey(
      harness.ports,
      { kid: (await harness.keyRows())[0]?.id ?? '', reason: 'found in a log' },
      testCaller,
    );
    await rotateSigningKeys(harness.ports, {}, testCaller);
    await harness.age(500 * 86_400);
    await retireKeys(harness.ports, testCaller);
    expect((await harness.keyRows()).map((row) => row.compromised)).toEqual([true, false]);
    expect(await listKeys(harness.ports)).toHaveLength(1);
  });
});

describe('server secrets', () => {
  beforeEach(() => harness.start());
  const refreshRows = (): Promise<{ version: number; destroyed: boolean }[]> =>
    harness.ports.raw(
      `SELECT version, secret = '' AS destroyed FROM server_secrets WHERE purpose = 'refresh' ORDER BY version`,
    );

  test('a new version waits until every copy knows it; a repeated call returns the waiting one', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => rotateServerSecret(harness.ports, { purpose: 'refresh' }, testCaller)),
    );
    expect(answers.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
    expect(new Set(answers.map((row) => `${row.version} ${row.activates_at}`)).size).toBe(1);
    const [row] = await harness.ports.raw<{ waits: number }>(
      `SELECT extract(epoch FROM activates_at - created_at)::int AS waits FROM server_secrets WHERE version = 2`,
    );
    expect(row?.waits).toBe(30 + SKEW_MS / 1_000);
    expect(harness.changes()).toBe(1);
  });

  test('an old refresh version is kept for the longest token family and then destroyed', async () => {
    await rotateServerSecret(harness.ports, { purpose: 'refresh' }, testCaller);
    await harness.age(40 + 3_600);
    expect((await retireKeys(harness.ports, testCaller)).secrets).toEqual([]);
    await harness.age(5 + SKEW_MS / 1_000);
    expect((await retireKeys(harness.ports, testCaller)).secrets).toEqual(['refresh:1']);
    expect(await refreshRows()).toEqual([
      { version: 1, destroyed: true },
      { version: 2, destroyed: false },
    ]);
    expect(await harness.eventsOf('server_secret.destroyed')).toMatchObject([{ target_id: 'server_secret:refresh:1' }]);
    expect(await rotateServerSecret(harness.ports, { purpose: 'refresh' }, testCaller)).toMatchObject({ version: 3 });
  });

  test('secrets that stored values depend on are never destroyed', async () => {
    await rotateServerSecret(harness.ports, { purpose: 'pepper' }, testCaller);
    await rotateServerSecret(harness.ports, { purpose: 'identifier' }, testCaller);
    await harness.age(10 * 365 * 86_400);
    expect((await retireKeys(harness.ports, testCaller)).secrets).toEqual([]);
  });
});
