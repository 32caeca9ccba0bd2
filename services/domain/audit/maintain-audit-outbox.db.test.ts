import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { testCaller } from '#testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#testing/harness/stores.ts';
import { killedEverywhere } from '#testing/processes/killable.ts';
import { type MaintainedOutbox, maintainAuditOutbox } from './maintain-audit-outbox.ts';
import { outboxPurge } from './outbox-partitions.store.ts';
import { recordEvent } from './record-event.ts';

const settings = { outboxDays: 3 };
const never = new AbortController().signal;
const event = defineAuditEvent({ type: 'test.event', durability: 'durable', outcomes: ['ok'], meaning: 'A test.' });

let ports: OwnPorts;
beforeAll(async () => {
  ports = await openTestPorts();
  // A run waits for a lock no longer than a moment, which an automatic vacuum of the day's strays may take.
  await ports.raw('ALTER TABLE audit_outbox_default SET (autovacuum_enabled = false)');
});
afterAll(() => ports?.end());

const maintain = (): Promise<MaintainedOutbox> => maintainAuditOutbox(ports, settings, never);
const today = new Date();
/** `YYYY-MM-DD`, in days from today, UTC. */
const day = (offset: number): string => new Date(today.getTime() + offset * 86_400_000).toISOString().slice(0, 10);
const tableOf = (offset: number): string => `audit_outbox_${day(offset).replaceAll('-', '')}`;
const days = async (): Promise<string[]> =>
  (await ports.raw<{ day: string }>('SELECT day::text FROM audit_outbox_days() ORDER BY day')).map((row) => row.day);
const countOf = async (table: string): Promise<number> =>
  (await ports.raw<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]!.n;
/** Events of a day, the last `unsealed` of them without a place in the log. */
const insertEvents = (offset: number, sealed: number, unsealed = 0): Promise<unknown> =>
  ports.raw(
    `INSERT INTO audit_outbox (type, outcome, actor_kind, occurred_at, seq)
     SELECT 'test.event', 'ok', 'system', $1::date + interval '12 hours', CASE WHEN n <= $2 THEN n END
     FROM generate_series(1, $2::int + $3::int) n`,
    [day(offset), sealed, unsealed],
  );
const makeDay = (offset: number): Promise<unknown> =>
  ports.raw('SELECT audit_outbox_partition($1::date)', [day(offset)]);

beforeEach(async () => {
  await ports.raw('TRUNCATE audit_outbox');
  for (const known of await days()) await ports.raw(`DROP TABLE audit_outbox_${known.replaceAll('-', '')}`);
  for (let offset = -1; offset <= 7; offset += 1) await makeDay(offset);
});

describe('days to come', () => {
  test('a partition stands ready for today and a week; one that is missing is made, and nothing else', async () => {
    expect(await maintain()).toEqual({ made: [], dropped: [], unsealed: [], stray: [] });
    await ports.raw(`DROP TABLE ${tableOf(3)}, ${tableOf(7)}`);
    expect(await maintain()).toEqual({ made: [day(3), day(7)], dropped: [], unsealed: [], stray: [] });
    expect(await days()).toEqual(Array.from({ length: 9 }, (_, index) => day(index - 1)));
  });

  test('a made partition has what the table has: its indexes serve, an event id is taken once', async () => {
    await ports.raw(`DROP TABLE ${tableOf(0)}`);
    await maintain();
    const shape = (offset: number) =>
      ports.raw(`SELECT replace(indexdef, $1, 'day') AS index FROM pg_indexes WHERE tablename = $1 ORDER BY 1`, [
        tableOf(offset),
      ]);
    expect(await shape(0)).toHaveLength(3);
    expect((await shape(0)).length).toBe((await shape(1)).length);
    await recordEvent(ports.sql, testCaller, event, { outcome: 'ok' });
    expect(await countOf(tableOf(0))).toBe(1);
    await expect(
      ports.raw(
        `INSERT INTO audit_outbox (event_id, occurred_at, type, outcome, actor_kind)
         SELECT event_id, occurred_at, type, outcome, actor_kind FROM audit_outbox`,
      ),
    ).rejects.toMatchObject({ code: '23505' });
  });

  test('events of a day without a partition are kept in DEFAULT; the days after it are made all the same', async () => {
    await ports.raw(`DROP TABLE ${tableOf(0)}, ${tableOf(5)}`);
    await recordEvent(ports.sql, testCaller, event, { outcome: 'ok' });
    expect(await countOf('audit_outbox_default')).toBe(1);
    expect(await maintain()).toMatchObject({ made: [day(5)], stray: [day(0)] });
    expect(await countOf('audit_outbox')).toBe(1);
  });
});

describe('days that are over', () => {
  test('go with their table once every event is sealed and the days of keeping are over, and not before', async () => {
    for (const offset of [-5, -4, -3]) {
      await makeDay(offset);
      await insertEvents(offset, 10);
    }
    await insertEvents(-1, 10);
    expect(await maintain()).toMatchObject({ dropped: [day(-5), day(-4)], unsealed: [] });
    expect(await countOf('audit_outbox')).toBe(20);
    expect((await days()).slice(0, 2)).toEqual([day(-3), day(-1)]);
    expect(await maintain()).toMatchObject({ dropped: [] });
  });

  test('stay for as long as one event of theirs is not sealed', async () => {
    await makeDay(-6);
    await insertEvents(-6, 10, 1);
    expect(await maintain()).toMatchObject({ dropped: [], unsealed: [day(-6)] });
    await ports.raw('UPDATE audit_outbox SET seq = 11 WHERE seq IS NULL');
    expect(await maintain()).toMatchObject({ dropped: [day(-6)], unsealed: [] });
  });

  test('sealed strays of the DEFAULT partition go by rows, unsealed ones stay', async () => {
    await insertEvents(-9, 1_500, 3);
    await insertEvents(-2, 0);
    expect(await countOf('audit_outbox_default')).toBe(1_503);
    await maintain();
    expect(await ports.raw('SELECT DISTINCT seq FROM audit_outbox_default')).toEqual([{ seq: null }]);
    expect(await countOf('audit_outbox_default')).toBe(3);
  });

  test('how late it is: from the end of the days of keeping', async () => {
    const lateDays = async () => Math.floor(((await outboxPurge(3).readOverdueMs(ports.sql)) ?? 0) / 86_400_000);
    expect(await lateDays()).toBeLessThan(0);
    await makeDay(-10);
    expect(await lateDays()).toBe(6);
  });
});

describe('beside other transactions', () => {
  test('writers never wait: while the table is locked the run gives up, and the next run continues', async () => {
    await makeDay(-5);
    await insertEvents(-5, 10);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let hasWritten = (): void => {};
    const written = new Promise<void>((resolve) => {
      hasWritten = resolve;
    });
    const writer = ports.transact(async (tx) => {
      await recordEvent(tx, testCaller, event, { outcome: 'ok' });
      hasWritten();
      await held;
    });
    await written;
    await expect(maintain()).rejects.toMatchObject({ code: 'store_unavailable' });
    await recordEvent(ports.sql, testCaller, event, { outcome: 'ok' });
    release();
    await writer;
    expect(await maintain()).toMatchObject({ dropped: [day(-5)] });
    expect(await countOf('audit_outbox')).toBe(2);
  });

  test('events recorded while days come and go are all there', async () => {
    let isOver = false;
    let recorded = 0;
    const writers = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        await recordEvent(ports.sql, testCaller, event, { outcome: 'ok' });
        recorded += 1;
      }
    });
    for (let round = 0; round < 10; round += 1) {
      await makeDay(-5);
      await ports.raw(`DROP TABLE IF EXISTS ${tableOf(6)}`);
      const runs = await Promise.allSettled([maintain(), maintain()]);
      for (const run of runs)
        if (run.status === 'rejected') expect(run.reason).toMatchObject({ code: 'store_unavailable' });
    }
    isOver = true;
    await Promise.all(writers);
    await maintain();
    expect(await countOf('audit_outbox')).toBe(recorded);
    expect(await days()).toEqual(Array.from({ length: 9 }, (_, index) => day(index - 1)));
  });

  test('two runs at once do each step once', async () => {
    await makeDay(-5);
    await ports.raw(`DROP TABLE ${tableOf(2)}`);
    // Who does not get the lock at once leaves the rest to the other, or to the next run.
    const runs = await Promise.allSettled([maintain(), maintain()]);
    runs.push(...(await Promise.allSettled([maintain()])));
    const done = runs.flatMap((run) => (run.status === 'fulfilled' ? [run.value] : []));
    for (const run of runs)
      if (run.status === 'rejected') expect(run.reason).toMatchObject({ code: 'store_unavailable' });
    expect(done.flatMap(({ made }) => made).length).toBeLessThanOrEqual(1);
    expect(done.flatMap(({ dropped }) => dropped).length).toBeLessThanOrEqual(1);
    expect(done.flatMap(({ stray, unsealed }) => [...stray, ...unsealed])).toEqual([]);
    expect(await days()).toEqual(Array.from({ length: 9 }, (_, index) => day(index - 1)));
  });

  test('killed before or after any statement, no unsealed event is lost and the next run finishes', async () => {
    let kills = 0;
    for await (const { run } of killedEverywhere({ url: ports.databaseUrl, work: 'maintain' })) {
      await makeDay(-5);
      await makeDay(-6);
      await ports.raw('DELETE FROM audit_outbox');
      await insertEvents(-5, 10);
      await insertEvents(-6, 10, 2);
      await ports.raw(`DROP TABLE IF EXISTS ${tableOf(4)}`);
      if ((await run()) !== null) continue;
      kills += 1;
      await maintain();
      expect(await countOf('audit_outbox WHERE seq IS NULL')).toBe(2);
      expect(await days()).toEqual([day(-6), ...Array.from({ length: 9 }, (_, index) => day(index - 1))]);
    }
    expect(kills).toBeGreaterThan(25);
  }, 300_000);
});
