import { beforeEach, describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { killedEverywhere, runMortal } from '#tools/testing/processes/killable.ts';
import { advanceKeyRing } from './advance-key-ring.ts';
import { compromiseKey } from './compromise-key.ts';
import { type KeyRow, keySettings, openKeyHarness } from './key-harness.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';
import { rotateServerSecret } from './secrets/rotate-server-secret.ts';

const DAY_SECONDS = 86_400;
const TWO_DAYS_MS = 2 * DAY_SECONDS * 1_000;
const KEY_ENCRYPTION_KEY = Buffer.alloc(32, 7).toString('base64');

const harness = opened(openKeyHarness);

/** Whether its private key exists. */
const isOpen = ({ privateKey }: KeyRow): boolean => privateKey !== '';
const countOf = async (type: string): Promise<number> => (await harness.eventsOf(type)).length;
const databaseNow = async (): Promise<number> =>
  (await harness.ports.raw<{ now: number }>`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`)[0]!
    .now;
const refreshVersions = (): Promise<{ version: number; open: boolean }[]> =>
  harness.ports
    .raw`SELECT version, secret <> '' AS open FROM server_secrets WHERE purpose = 'refresh' ORDER BY version`;

/** From now on, forever: one key with its private key signs at every instant, and its signatures can be verified. */
async function expectOneSignerFromNowOn(): Promise<void> {
  const [rows, now] = [await harness.keyRows(), await databaseNow()];
  const instants = [now, ...rows.flatMap(({ from, until }) => [from - 1, from, until ?? from])].filter(
    (ms) => ms >= now,
  );
  for (const instant of instants) {
    const signers = rows.filter(({ from, until }) => from <= instant && (until === null || instant < until));
    expect(signers).toHaveLength(1);
    const signer = signers[0] as KeyRow;
    expect(isOpen(signer)).toBe(true);
    const { leaves, until } = signer;
    if (until !== null) expect(leaves).toBeGreaterThanOrEqual(until + 905_000);
  }
}

/** All due at once: a key to publish, a refresh secret to renew, a private key and an old refresh secret to destroy. */
async function everythingDue(): Promise<void> {
  await harness.empty();
  await harness.start();
  await rotateSigningKeys(harness.ports, {}, testCaller);
  await rotateServerSecret(harness.ports, { purpose: 'refresh' }, testCaller);
  await harness.age(31 * DAY_SECONDS);
  await harness.ports.raw`DELETE FROM audit_outbox`;
}

async function expectEverythingDoneOnce(): Promise<void> {
  const rows = await harness.keyRows();
  expect(rows).toHaveLength(3);
  expect(rows.map(isOpen)).toEqual([false, true, true]);
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

  test('does everything that is due: publishes ahead, renews the refresh secret, destroys retired keys and secrets', async () => {
    const [first, second] = await harness.keyRows();
    const answer = await advanceKeyRing(harness.ports, testCaller);
    expect(answer).toMatchObject({
      published: [(await harness.keyRows())[2]?.id],
      refreshSecret: 3,
      destroyed: { keys: [first?.id], secrets: ['refresh:1'] },
    });
    await expectEverythingDoneOnce();
    await expectOneSignerFromNowOn();
    expect(isOpen(second as KeyRow)).toBe(true);
  });

  test('a second delivery of the same job changes nothing', async () => {
    await advanceKeyRing(harness.ports, testCaller);
    expect(await advanceKeyRing(harness.ports, testCaller)).toMatchObject({
      published: [],
      refreshSecret: null,
      destroyed: { keys: [], secrets: [] },
    });
    await expectEverythingDoneOnce();
  });

  test('keeps the secrets that stored values depend on', async () => {
    await advanceKeyRing(harness.ports, testCaller);
    const serverSecrets = await harness.ports
      .raw`SELECT 1 FROM server_secrets WHERE purpose IN ('pepper', 'identifier', 'csrf')`;
    expect(serverSecrets).toHaveLength(3);
  });
});

describe('with nothing due', () => {
  test('a run writes nothing at all', async () => {
    await harness.empty();
    await harness.start();
    const before = await harness.ports.raw`SELECT keys_version FROM feed_state`;
    await advanceKeyRing(harness.ports, testCaller);
    expect(await harness.ports.raw`SELECT keys_version FROM feed_state`).toEqual(before);
  });
});

describe('rotation faster than the hold period', () => {
  beforeEach(async () => {
    await harness.empty();
    await harness.start(keySettings({ rotationDays: 5 / DAY_SECONDS }));
  });

  test('several keys wait, each published one whole hold period before it signs, one signer at every instant', async () => {
    for (let run = 0; run < 6; run += 1) {
      await advanceKeyRing(harness.ports, testCaller);
      await harness.age(6);
    }
    const rows = await harness.keyRows();
    expect(rows.length).toBeGreaterThanOrEqual(5);
    for (const { from, published } of rows.slice(1)) expect(from - published).toBeGreaterThanOrEqual(70_000);
    await expectOneSignerFromNowOn();
  });

  test('compromising one of several waiting keys leaves no gap and no two signers', async () => {
    for (let run = 0; run < 4; run += 1) {
      await advanceKeyRing(harness.ports, testCaller);
      await harness.age(6);
    }
    const waiting = await harness.keyRows();
    await compromiseKey(harness.ports, { kid: waiting[2]!.id, reason: 'r' }, testCaller);
    const left = (await harness.keyRows()).filter(({ id }) => id !== waiting[2]!.id);
    expect(left[1]).toMatchObject({ until: left[2]?.from });
    expect(left[1]?.leaves).toBe((left[1]?.until ?? 0) + 905_000 + 10_000);
  });
});

describe('kill -9 and concurrency', () => {
  test('a worker killed before or after any statement leaves exactly one signer, and two concurrent workers finish its work once', async () => {
    for await (const { killPoint, run } of killedEverywhere({ ...writer, url: harness.databaseUrl })) {
      await everythingDue();
      if ((await run()) !== null) {
        expect(killPoint.statement).toBeGreaterThan(20);
        continue;
      }
      await expectOneSignerFromNowOn();
      await Promise.all([advanceKeyRing(harness.ports, testCaller), advanceKeyRing(harness.ports, testCaller)]);
      await expectEverythingDoneOnce();
      await expectOneSignerFromNowOn();
    }
  }, 400_000);

  test('four concurrent workers do everything once', async () => {
    for (let round = 0; round < 3; round += 1) {
      await everythingDue();
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => runMortal({ ...writer, url: harness.databaseUrl })),
      );
      expect(answers.filter((answer) => answer?.advanced?.published.length)).toHaveLength(1);
      expect(answers.filter((answer) => answer?.advanced?.refreshSecret)).toHaveLength(1);
      await expectEverythingDoneOnce();
    }
  });
});

describe("the worker's own clock", () => {
  test('two days ahead or behind, or stepping between runs, publishes and destroys nothing early and nothing twice', async () => {
    await everythingDue();
    for (const clockOffsetMs of [TWO_DAYS_MS, -TWO_DAYS_MS, 0, TWO_DAYS_MS, -TWO_DAYS_MS])
      await runMortal({ ...writer, url: harness.databaseUrl, clockOffsetMs });
    await expectEverythingDoneOnce();
    // Not due by the database's clock, whatever the worker's clock says.
    await harness.empty();
    await harness.start(keySettings({ rotationDays: 1 }));
    for (const clockOffsetMs of [TWO_DAYS_MS, TWO_DAYS_MS, -TWO_DAYS_MS, TWO_DAYS_MS])
      await runMortal({ ...writer, url: harness.databaseUrl, clockOffsetMs });
    expect(await harness.keyRows()).toHaveLength(1);
  });
});
