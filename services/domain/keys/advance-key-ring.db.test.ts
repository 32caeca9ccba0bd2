import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runKillable } from '../../platform/testing/killable.ts';
import { createTestPorts, type TestPorts, testCaller } from '../../platform/testing/ports.ts';
import { createTestDatabase, type TestDatabase } from '../../platform/testing/stores.ts';
import { advanceKeyRing } from './advance-key-ring.ts';
import { compromiseKey } from './compromise-key.ts';
import { type EnsureKeysSettings, ensureKeys } from './ensure-keys.ts';
import { rotateServerSecret } from './rotate-server-secret.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';

const DAY_SECONDS = 86_400;
const TWO_DAYS_MS = 2 * DAY_SECONDS * 1_000;
const KEY_ENCRYPTION_KEY = Buffer.alloc(32, 7).toString('base64');

const settingsWith = (keys: Partial<EnsureKeysSettings['keys']> = {}): EnsureKeysSettings => ({
  keys: {
    algorithm: 'EdDSA',
    jwtSecret: undefined,
    prepublishSeconds: 60,
    rotationDays: 30,
    ringBoundSeconds: 30,
    ...keys,
  },
  tokens: { accessTokenSeconds: 900, leewaySeconds: 5, refreshAbsoluteSeconds: 3_600 },
  authSecret: 'a-secret-of-more-than-thirty-two-characters',
  audience: 'https://api.example.test',
});

let database: TestDatabase;
let base: TestPorts;
let ports: TestPorts & { keysChanged: () => void };
beforeAll(async () => {
  database = await createTestDatabase();
  base = createTestPorts(database.url);
  ports = { ...base, keysChanged: () => {} };
});
afterAll(async () => {
  await base.end();
  await database.drop();
});

/** Moves everything written so far into the past, as time would. */
async function age(seconds: number): Promise<void> {
  const by = 'make_interval(secs => $1)';
  await base.raw(
    `UPDATE jwks SET signs = tstzrange(lower(signs) - ${by}, upper(signs) - ${by}), "createdAt" = "createdAt" - ${by},
       "expiresAt" = "expiresAt" - ${by}`,
    [seconds],
  );
  await base.raw(`UPDATE server_secrets SET created_at = created_at - ${by}, activates_at = activates_at - ${by}`, [
    seconds,
  ]);
}

type Row = { id: string; from: number; until: number | null; published: number; leaves: number | null; open: boolean };
const keyRows = (): Promise<Row[]> =>
  base.raw(`SELECT id, (extract(epoch FROM lower(signs)) * 1000)::bigint AS "from",
    (extract(epoch FROM upper(signs)) * 1000)::bigint AS until, (extract(epoch FROM "createdAt") * 1000)::bigint AS published,
    (extract(epoch FROM "expiresAt") * 1000)::bigint AS leaves, "privateKey" <> '' AS open FROM jwks WHERE purpose = 'access' ORDER BY signs`);
const countOf = async (type: string): Promise<number> =>
  // Of the audit log's keys others speak.
  (
    await base.raw(`SELECT 1 FROM audit_outbox WHERE type = $1 AND detail->>'purpose' IS DISTINCT FROM 'audit-log'`, [
      type,
    ])
  ).length;
const databaseNow = async (): Promise<number> =>
  (await base.raw<{ now: number }>('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now'))[0]!.now;
const refreshVersions = (): Promise<{ version: number; open: boolean }[]> =>
  base.raw(`SELECT version, secret <> '' AS open FROM server_secrets WHERE purpose = 'refresh' ORDER BY version`);

/** From now on, for ever: one key signs at every instant, with its private part; what it signs can be verified. */
async function expectOneSignerFromNowOn(): Promise<void> {
  const [rows, now] = [await keyRows(), await databaseNow()];
  const instants = [now, ...rows.flatMap(({ from, until }) => [from - 1, from, until ?? from])].filter(
    (ms) => ms >= now,
  );
  for (const instant of instants) {
    const signers = rows.filter(({ from, until }) => from <= instant && (until === null || instant < until));
    expect(signers).toHaveLength(1);
    expect(signers[0]).toMatchObject({ open: true });
    const { leaves, until } = signers[0] as Row;
    if (until !== null) expect(leaves).toBeGreaterThanOrEqual(until + 905_000);
  }
}

/** A key to publish, a refresh secret to renew, a private part and an old refresh secret to destroy: all due at once. */
async function everythingDue(): Promise<void> {
  await base.raw('TRUNCATE jwks, server_secrets, key_policy, revocations');
  await ensureKeys(ports, settingsWith(), testCaller);
  await rotateSigningKeys(ports, {}, testCaller);
  await rotateServerSecret(ports, { purpose: 'refresh' }, testCaller);
  await age(31 * DAY_SECONDS);
  await base.raw('TRUNCATE audit_outbox');
}

async function expectEverythingDoneOnce(): Promise<void> {
  const rows = await keyRows();
  expect(rows).toHaveLength(3);
  expect(rows.map(({ open }) => open)).toEqual([false, true, true]);
  expect(rows[1]?.until).toBe(rows[2]?.from);
  expect((rows[2]?.from ?? 0) - (rows[2]?.published ?? 0)).toBe(70_000);
  expect(await refreshVersions()).toEqual([
    { version: 1, open: false },
    { version: 2, open: true },
    { version: 3, open: true },
  ]);
  for (const type of [
    'key.published',
    'key.private_part_destroyed',
    'server_secret.created',
    'server_secret.destroyed',
  ])
    expect([type, await countOf(type)]).toEqual([type, 1]);
}

const writer = { work: 'advance', keyEncryptionKey: KEY_ENCRYPTION_KEY } as const;

describe('one run', () => {
  beforeEach(everythingDue);

  test('does all that is due: publishes ahead, renews the refresh secret, destroys what has ended', async () => {
    const [first, second] = await keyRows();
    const answer = await advanceKeyRing(ports, testCaller);
    expect(answer).toMatchObject({
      published: (await keyRows())[2]?.id,
      refreshSecret: 3,
      destroyed: { keys: [first?.id], secrets: ['refresh:1'] },
    });
    await expectEverythingDoneOnce();
    await expectOneSignerFromNowOn();
    expect(second?.open).toBe(true);
  });

  test('a second delivery of the same job changes nothing', async () => {
    await advanceKeyRing(ports, testCaller);
    expect(await advanceKeyRing(ports, testCaller)).toMatchObject({
      published: null,
      refreshSecret: null,
      destroyed: { keys: [], secrets: [] },
    });
    await expectEverythingDoneOnce();
  });

  test('leaves the secrets alone that stored values depend on', async () => {
    await advanceKeyRing(ports, testCaller);
    expect(
      await base.raw(`SELECT 1 FROM server_secrets WHERE purpose IN ('pepper', 'identifier', 'csrf')`),
    ).toHaveLength(3);
  });
});

describe('with nothing due', () => {
  test('a run writes nothing at all', async () => {
    await base.raw('TRUNCATE jwks, server_secrets, key_policy, revocations, audit_outbox');
    await ensureKeys(ports, settingsWith(), testCaller);
    const before = await base.raw('SELECT keys_version FROM feed_state');
    await advanceKeyRing(ports, testCaller);
    expect(await base.raw('SELECT keys_version FROM feed_state')).toEqual(before);
  });
});

describe('faster than the hold', () => {
  beforeEach(async () => {
    await base.raw('TRUNCATE jwks, server_secrets, key_policy, revocations, audit_outbox');
    await ensureKeys(ports, settingsWith({ rotationDays: 5 / DAY_SECONDS }), testCaller);
  });

  test('several keys wait, each a whole hold in the key set before it signs, one signer at every instant', async () => {
    for (let run = 0; run < 6; run += 1) {
      await advanceKeyRing(ports, testCaller);
      await age(6);
    }
    const rows = await keyRows();
    expect(rows.length).toBeGreaterThanOrEqual(5);
    for (const { from, published } of rows.slice(1)) expect(from - published).toBeGreaterThanOrEqual(70_000);
    await expectOneSignerFromNowOn();
  });

  test('a compromised key among those that wait leaves no gap and no two signers', async () => {
    for (let run = 0; run < 4; run += 1) {
      await advanceKeyRing(ports, testCaller);
      await age(6);
    }
    const waiting = await keyRows();
    await compromiseKey(ports, { kid: waiting[2]!.id, reason: 'r' }, testCaller);
    const left = (await keyRows()).filter(({ id }) => id !== waiting[2]!.id);
    expect(left[1]).toMatchObject({ until: left[2]?.from });
    expect(left[1]?.leaves).toBe((left[1]?.until ?? 0) + 905_000 + 10_000);
  });
});

describe('kill -9 and company', () => {
  test('a worker killed before or after any statement leaves exactly one signer, and the next two at once finish its work once', async () => {
    for (const moment of ['before', 'after'] as const)
      for (let statement = 1; ; statement += 1) {
        await everythingDue();
        const answer = await runKillable({ ...writer, url: database.url, killPoint: { statement, moment } });
        if (answer !== null) {
          expect(statement).toBeGreaterThan(20);
          break;
        }
        await expectOneSignerFromNowOn();
        await Promise.all([advanceKeyRing(ports, testCaller), advanceKeyRing(ports, testCaller)]);
        await expectEverythingDoneOnce();
        await expectOneSignerFromNowOn();
      }
  }, 400_000);

  test('four workers at once do everything once', async () => {
    for (let round = 0; round < 3; round += 1) {
      await everythingDue();
      const answers = await Promise.all(Array.from({ length: 4 }, () => runKillable({ ...writer, url: database.url })));
      expect(answers.filter((answer) => answer?.advanced?.published)).toHaveLength(1);
      expect(answers.filter((answer) => answer?.advanced?.refreshSecret)).toHaveLength(1);
      await expectEverythingDoneOnce();
    }
  });
});

describe("the worker's own clock", () => {
  test('two days ahead or behind, or stepping between runs, it publishes and destroys nothing early and nothing twice', async () => {
    await everythingDue();
    for (const clockOffsetMs of [TWO_DAYS_MS, -TWO_DAYS_MS, 0, TWO_DAYS_MS, -TWO_DAYS_MS])
      await runKillable({ ...writer, url: database.url, clockOffsetMs });
    await expectEverythingDoneOnce();
    // Not due by the database's clock, whatever the worker believes.
    await base.raw('TRUNCATE jwks, server_secrets, key_policy, audit_outbox');
    await ensureKeys(ports, settingsWith({ rotationDays: 1 }), testCaller);
    for (const clockOffsetMs of [TWO_DAYS_MS, TWO_DAYS_MS, -TWO_DAYS_MS, TWO_DAYS_MS])
      await runKillable({ ...writer, url: database.url, clockOffsetMs });
    expect(await keyRows()).toHaveLength(1);
  });
});
