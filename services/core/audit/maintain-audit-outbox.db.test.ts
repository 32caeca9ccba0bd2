import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { killedEverywhere } from '#tools/testing/processes/killable.ts';
import { type MaintainedOutbox, maintainAuditOutbox } from './maintain-audit-outbox.ts';
import { outboxPurge } from './outbox-partitions.store.ts';
import { recordEvent } from './record-event.ts';

const settings = { outboxDays: 3 };
const never = new AbortController().signal;
const event = defineAuditEvent({ type: 'test.event', durability: 'durable', outcomes: ['ok'], meaning: 'A test.' });

const ports = opened(() => openTestPorts());
beforeAll(async () => {
  // A run waits for a lock only briefly, and autovacuum of the DEFAULT partition may hold it.
  await ports.raw`ALTER TABLE audit_outbox_default SET (autovacuum_enabled = false)`;
});

const maintain = (): Promise<MaintainedOutbox> => maintainAuditOutbox(ports, settings, never);
const today = new Date();
/** `YYYY-MM-DD`, in days from today, UTC. */
const day = (offset: number): string => new Date(today.getTime() + offset * 86_400_000).toISOString().slice(0, 10);
const tableOf = (offset: number): string => `audit_outbox_${day(offset).replaceAll('-', '')}`;
const days = async (): Promise<string[]> =>
  (await ports.raw<{ day: string }>`SELECT day::text FROM audit_outbox_days() ORDER BY day`).map((row) => row.day);
const countOf = async (table: string): Promise<number> =>
  (await ports.raw<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]!.n;
/** Inserts events of a day, the last `unsealed` of them without a sequence number. */
const insertEvents = (offset: number, sealed: number, unsealed = 0): Promise<unknown> =>
  ports.raw`INSERT INTO audit_outbox (type, outcome, actor_kind, occurred_at, seq)
    SELECT 'test.event', 'ok', 'system', ${day(offset)}::date + interval '12 hours', CASE WHEN n <= ${sealed} THEN n END
    FROM generate_series(1, ${sealed}::int + ${unsealed}::int) n`;
const makeDay = (offset: number): Promise<unknown> => ports.raw`SELECT audit_outbox_partition(${day(offset)}::date)`;

beforeEach(async () => {
  await ports.raw`TRUNCATE audit_outbox`;
  for (const known of await days()) await ports.raw(`DROP TABLE audit_outbox_${known.replaceAll('-', '')}`);
  for (let offset = -1; offset <= 7; offset += 1) await makeDay(offset);
});

describe('coming days', () => {
  test('have partitions from today to a week ahead; a run creates only missing ones', async () => {
    expect(await maintain()).toEqual({ made: [], dropped: [], unsealed: [], stray: [] });
    await ports.raw(`DROP TABLE ${tableOf(3)}, ${tableOf(7)}`);
    expect(await maintain()).toEqual({ made: [day(3), day(7)], dropped: [], unsealed: [], stray: [] });
    expect(await days()).toEqual(Array.from({ length: 9 }, (_, index) => day(index - 1)));
  });

  test('have partitions with the indexes of the table, which reject a repeated event id', async () => {
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
      ports.raw`INSERT INTO audit_outbox (event_id, occurred_at, type, outcome, actor_kind)
        SELECT event_id, occurred_at, type, outcome, actor_kind FROM audit_outbox`,
    ).rejects.toMatchObject({ code: '23505' });
  });

  test('whose events are in the DEFAULT partition get no partition; later days do', async () => {
    await ports.raw(`DROP TABLE ${tableOf(0)}, ${tableOf(5)}`);
    await recordEvent(ports.sql, testCaller, event, { outcome: 'ok' });
    expect(await countOf('audit_outbox_default')).toBe(1);
    expect(await maintain()).toMatchObject({ made: [day(5)], stray: [day(0)] });
    expect(await countOf('audit_outbox')).toBe(1);
  });
});

describe('expired days', () => {
  test('are dropped once every event is sealed and the retention has passed, and not before', async () => {
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

  test('stay while one of their events is unsealed', async () => {
    await makeDay(-6);
    await insertEvents(-6, 10, 1);
    expect(await maintain()).toMatchObject({ dropped: [], unsealed: [day(-6)] });
    await ports.raw`UPDATE audit_outbox SET seq = 11 WHERE seq IS NULL`;
    expect(await maintain()).toMatchObject({ dropped: [day(-6)], unsealed: [] });
  });

  test('in the DEFAULT partition lose their sealed rows and keep the unsealed ones', async () => {
    await insertEvents(-9, 1_500, 3);
    await insertEvents(-2, 0);
    expect(await countOf('audit_outbox_default')).toBe(1_503);
    await maintain();
    expect(await ports.raw`SELECT DISTINCT seq FROM audit_outbox_default`).toEqual([{ seq: null }]);
    expect(await countOf('audit_outbox_default')).toBe(3);
  });

  test('count as overdue from the end of their retention', async () => {
    const lateDays = async () => Math.floor(((await outboxPurge(3).readOverdueMs(ports.sql)) ?? 0) / 86_400_000);
    expect(await lateDays()).toBeLessThan(0);
    await makeDay(-10);
    expect(await lateDays()).toBe(6);
  });
});

describe('with concurrent transactions', () => {
  test('a run gives up while the table is locked, so that writers never wait; the next run continues', async () => {
    await makeDay(-5);
    await insertEvents(-5, 10);
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let hasWritten = (): void => {};
    const written = new Promise<void>((resolve) => {
      hasWritten = resolve;
    });
    const writer = ports.transact(async (tx) => {
      await recordEvent(tx, testCaller, event, { outcome: 'ok' });
      hasWritten();
      await released;
    });
    await written;
    await expect(maintain()).rejects.toMatchObject({ code: 'store_unavailable' });
    await recordEvent(ports.sql, testCaller, event, { outcome: 'ok' });
    release();
    await writer;
    expect(await maintain()).toMatchObject({ dropped: [day(-5)] });
    expect(await countOf('audit_outbox')).toBe(2);
  });

  test('no event is lost while partitions are created and dropped', async () => {
    let isDone = false;
    let recorded = 0;
    const writers = Array.from({ length: 4 }, async () => {
      while (!isDone) {
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
    isDone = true;
    await Promise.all(writers);
    await maintain();
    expect(await countOf('audit_outbox')).toBe(recorded);
    expect(await days()).toEqual(Array.from({ length: 9 }, (_, index) => day(index - 1)));
  });

  test('two concurrent runs do each step once', async () => {
    await makeDay(-5);
    await ports.raw(`DROP TABLE ${tableOf(2)}`);
    // A run that does not get the lock leaves the rest to the other one, or to the next run.
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

  test('a run killed before or after any statement loses no unsealed event, and the next run finishes', async () => {
    let kills = 0;
    for await (const { run } of killedEverywhere({ url: ports.databaseUrl, work: 'maintain' })) {
      await makeDay(-5);
      await makeDay(-6);
      await ports.raw`DELETE FROM audit_outbox`;
      await insertEvents(-5, 10);
      await insertEvents(-6, 10, 2);
      await ports.raw(`DROP TABLE IF EXISTS ${tableOf(4)}`);
      if ((await run()) !== null) continue;
      kills += 1;
      await maintain();
      expect(await countOf('audit_outbox WHERE seq IS NULL')).toBe(2);
      expect(await days()).toEqual([day(-6), ...Array.from({ length: 9 }, (_, index) => day(index - 1))]);
    }
    expect(kills).toBeGreaterThan(20);
  });
});
