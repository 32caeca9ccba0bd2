import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { createPool, createTransact } from '#services/platform/postgres/pool.ts';
import { createPatientPool, patient } from '#tools/testing/harness/ports.ts';
import { killedEverywhere } from '#tools/testing/processes/killable.ts';
import { tokenPurges } from '../tokens/clean-up-expired-tokens.ts';
import { countTokens } from '../tokens/metadata/token-statistics.store.ts';
import { expiredTables } from './expired-rows-harness.ts';
import { readSlowestStatementMs } from './purge.store.ts';
import { type PurgeResult, purgeOnSchedule } from './purge.ts';
import { openPurgeHarness, type PurgeHarness, purgeAtOnce, purges } from './purge-harness.ts';

let harness: PurgeHarness;
let ports: PurgeHarness['ports'];
let copy: PurgeHarness['copy'];
beforeAll(async () => {
  harness = await openPurgeHarness();
  ({ ports, copy } = harness);
});
afterAll(() => harness?.close());
beforeEach(() => harness.empty());

const totalOf = (name: string): number =>
  registry
    .collect()
    .find((metric) => metric.name === name)
    ?.series.reduce((sum, { value }) => sum + value, 0) ?? 0;

describe('beside other transactions', () => {
  test('a locked row is left to the next run without waiting', async () => {
    await harness.insertExpired(1_500);
    const holder = await copy.pool.connect();
    await holder.query('BEGIN');
    await holder.query(
      `SELECT 1 FROM refresh_families WHERE ctid IN (SELECT ctid FROM refresh_families LIMIT 7) FOR UPDATE`,
    );
    expect(await purgeAtOnce(ports, tokenPurges)).toMatchObject({ failures: [] });
    expect(await harness.countOf('refresh_families')).toBe(7);
    await holder.query('ROLLBACK');
    holder.release();
    expect(await purgeAtOnce(ports, tokenPurges)).toMatchObject({ removed: 7 });
  });

  test('the run ends when all rows of a batch are locked', async () => {
    await harness.insertExpired(1_000);
    const holder = await copy.pool.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM refresh_families FOR UPDATE');
    expect(await purgeAtOnce(ports, tokenPurges)).toMatchObject({
      picked: 1_000 * tokenPurges.length,
      removed: 1_000 * (tokenPurges.length - 1),
      failures: [],
    });
    await holder.query('ROLLBACK');
    holder.release();
  });

  test('four concurrent runs remove every row once', async () => {
    await harness.insertExpired(4_000);
    const before = await countTokens(ports.sql);
    const runs = await Promise.all(Array.from({ length: 4 }, () => purgeAtOnce(ports, purges)));
    await purgeAtOnce(ports, purges);
    expect(runs.flatMap(({ failures }) => failures)).toEqual([]);
    for (const table of expiredTables) expect([table, await harness.countOf(table)]).toEqual([table, 0]);
    expect(await countTokens(ports.sql)).toEqual(before);
  });

  test('waits between batches while statements of the API are slow, and continues afterwards', async () => {
    // As a worker runs it: in a role that does not see the state of other sessions.
    const workers = createPool({
      ...patient,
      url: ports.databaseUrl,
      connections: 2,
      applicationName: 'test',
      role: 'sallyport_worker',
    });
    const worker = { ...ports, transact: createTransact(workers, () => {}) };
    const pauses = (): number => totalOf('sallyport_cleanup_pauses');
    await harness.insertExpired(2_500);
    const before = pauses();
    const pool = createPatientPool({ url: ports.databaseUrl, connections: 1, applicationName: 'sallyport-main' });
    const holder = await copy.pool.connect();
    await holder.query('SELECT pg_advisory_lock(190)');
    // A statement of the API that runs as long as the lock is held: from before the first batch until a pause.
    const slow = pool.query('SELECT pg_advisory_lock(190)');
    let running: Promise<PurgeResult> | undefined;
    try {
      await expect.poll(() => readSlowestStatementMs(worker), { timeout: 60_000 }).toBeGreaterThan(50);
      running = purgeAtOnce(worker, tokenPurges);
      await expect.poll(pauses, { timeout: 60_000 }).toBeGreaterThan(before);
    } finally {
      await holder.query('SELECT pg_advisory_unlock(190)');
      holder.release();
      await slow;
      await pool.end();
    }
    expect(await running).toMatchObject({ removed: 2_500 * tokenPurges.length });
    await workers.end();
  }, 180_000);

  test('an abort stops it between two batches; the next run removes the rest', async () => {
    await harness.insertExpired(3_000);
    const stop = new AbortController();
    const stopping = {
      ...ports,
      transact: async <T>(work: Parameters<typeof ports.transact<T>>[0]): Promise<T> => {
        const result = await ports.transact(work);
        stop.abort();
        return result;
      },
    };
    expect(await purgeAtOnce(stopping, purges, { signal: stop.signal })).toMatchObject({
      removed: 1_000,
      failures: [],
    });
    expect(await purgeAtOnce(ports, purges, { longestMs: -1 })).toMatchObject({ picked: 0 });
    expect(await purgeAtOnce(ports, purges)).toMatchObject({ removed: 3_000 * purges.length - 1_000 });
  });

  test('a kind that fails does not stop the others, and fails the scheduled run', async () => {
    await harness.insertExpired(10);
    await ports.raw(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$`);
    await ports.raw('CREATE TRIGGER refuse BEFORE DELETE ON revocations FOR EACH ROW EXECUTE FUNCTION refuse()');
    try {
      await expect(purgeOnSchedule(ports, purges, new AbortController().signal)).rejects.toThrow('refused');
      for (const table of expiredTables)
        expect([table, await harness.countOf(table)]).toEqual([table, table === 'revocations' ? 10 : 0]);
    } finally {
      await ports.raw('DROP FUNCTION refuse CASCADE');
    }
  });
});

test('a kill before or after any statement loses no counts, and the next run finishes', async () => {
  let kills = 0;
  for await (const { run } of killedEverywhere({ url: ports.databaseUrl, work: 'purge' })) {
    // The same number each time, which must be counted too.
    await purgeAtOnce(ports, purges);
    await harness.insertExpired(60);
    const before = await countTokens(ports.sql);
    if ((await run()) !== null) continue;
    kills += 1;
    const counted = await countTokens(ports.sql);
    expect(counted).toEqual(before);
    await purgeAtOnce(ports, purges);
    expect(await countTokens(ports.sql)).toEqual(before);
    for (const table of expiredTables) expect([table, await harness.countOf(table)]).toEqual([table, 0]);
  }
  expect(kills).toBeGreaterThan(5);
}, 300_000);
