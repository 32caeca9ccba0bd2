import pg from 'pg';
import { expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { renderPrometheus } from '#observability/metrics/prometheus.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { createPatientPool } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { defineStatement } from '../define/statement.ts';
import { createPool, createSql, createTransact } from './pool.ts';

asShipped();

const database = opened(createTestDatabase);

const ownPid = defineStatement('testPid')`SELECT pg_backend_pid() AS pid`;

test('a connection lost between two statements of a transaction is 503 for that request, and does not end the process', async () => {
  const pool = createPatientPool({ url: database.url, connections: 2, applicationName: 'test' });
  const transact = createTransact(pool, () => {});
  const killer = new pg.Client({ connectionString: database.url });
  await killer.connect();
  const attempt = transact(async (tx) => {
    const [row] = await tx.query<{ pid: number }>(ownPid);
    await killer.query('SELECT pg_terminate_backend($1, 60000)', [row!.pid]);
    // The socket's end is a separate event, emitted before the next statement uses the connection.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    await tx.query(ownPid);
  });
  await expect(attempt).rejects.toMatchObject({ code: 'store_unavailable' });
  expect(await transact((tx) => tx.query(ownPid))).toHaveLength(1);
  await killer.end();
  await pool.end();
});

/** Count of each reason in the metrics. */
const refusals = (): Record<string, number> =>
  Object.fromEntries(
    [
      ...renderPrometheus(registry.collect()).matchAll(/^sallyport_postgres_refusals_total\{reason="(\w+)"\} (\d+)$/gm),
    ].map(([, reason, count]) => [reason, Number(count)]),
  );
const counted = (before: Readonly<Record<string, number>>, reason: string): number =>
  refusals()[reason]! - before[reason]!;

const write = defineStatement('testWrite')`UPDATE feed_state SET beat = beat`;
const noRoom = defineStatement('testNoRoom')`DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$`;

test('a read-only database or a full disk is 503, and counted under that reason', async () => {
  const own = await createTestDatabase();
  const admin = new pg.Client({ connectionString: own.url });
  await admin.connect();
  const name = new URL(own.url).pathname.slice(1);
  const open = () => createPatientPool({ url: own.url, connections: 1, applicationName: 'test' });
  const before = refusals();

  await admin.query(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`);
  const readOnly = open();
  await expect(createSql(readOnly).query(write)).rejects.toMatchObject({ code: 'store_unavailable' });
  expect(counted(before, 'read_only')).toBe(1);
  await admin.query(`SET default_transaction_read_only = off`);
  await admin.query(`ALTER DATABASE "${name}" RESET default_transaction_read_only`);
  await readOnly.end();

  const full = open();
  expect(await outcomeOf(createTransact(full, () => {})((tx) => tx.query(noRoom)))).toBe('store_unavailable');
  expect(counted(before, 'disk_full')).toBe(1);
  await full.end();
  await admin.end();
  await own.drop();
});

test('a transaction that PostgreSQL ended, since the process stood still in it, is 503', async () => {
  const short = createPatientPool({
    ...{ url: database.url, connections: 1, applicationName: 'test' },
    idleInTransactionTimeoutMs: 50,
  });
  const still = createTransact(short, () => {})(async (tx) => {
    await tx.query(write);
    // As without processor time: PostgreSQL's last word is read when the next statement is sent.
    const until = performance.now() + 400;
    while (performance.now() < until);
    await tx.query(write);
  });
  await expect(still).rejects.toMatchObject({ code: 'store_unavailable' });
  await short.end();
  const pool = createPatientPool({ url: database.url, connections: 1, applicationName: 'test' });
  for (const code of ['25P03', '25P04']) {
    const ended = defineStatement(`testEnded${code}`)`
      DO $$ BEGIN RAISE EXCEPTION 'ended' USING ERRCODE = '${code}'; END $$`;
    expect(await outcomeOf(createTransact(pool, () => {})((tx) => tx.query(ended)))).toBe('store_unavailable');
  }
  await pool.end();
});

test('onLost is called before the statement fails for an idle, busy or refused connection, and not for an SQL error', async () => {
  const proxy = await startTcpProxy(database.url);
  let lost = 0;
  const onLost = (): void => {
    lost += 1;
  };
  const pool = createPatientPool({ url: proxy.url, connections: 1, applicationName: 'test', onLost });
  const sql = createSql(pool);
  const killer = new pg.Client({ connectionString: database.url });
  await killer.connect();
  const pidOf = async () => (await sql.query<{ pid: number }>(ownPid))[0]!.pid;
  /** Number of calls until the work failed. */
  const toldWith = async (work: () => Promise<unknown>): Promise<number> => {
    const before = lost;
    await expect(work()).rejects.toMatchObject({ code: expect.stringMatching(/^(store_unavailable|22012|57014)$/) });
    return lost - before;
  };

  expect(await toldWith(() => sql.query(defineStatement('testZero')`SELECT 1 / 0`))).toBe(0);

  const idle = await pidOf();
  await killer.query('SELECT pg_terminate_backend($1, 60000)', [idle]);
  await expect.poll(() => lost).toBe(1);

  const busy = await pidOf();
  const sleeping = () => sql.query(defineStatement('testSleepLong')`SELECT pg_sleep(60)`);
  const ended = toldWith(sleeping);
  await expect
    .poll(async () => (await killer.query('SELECT state FROM pg_stat_activity WHERE pid = $1', [busy])).rows[0]?.state)
    .toBe('active');
  await killer.query('SELECT pg_terminate_backend($1, 60000)', [busy]);
  expect(await ended).toBeGreaterThan(0);

  await pidOf();
  await proxy.cut();
  await expect.poll(() => pool.totalCount).toBe(0);
  expect(await toldWith(() => sql.query(ownPid))).toBe(1);
  await killer.end();
  await pool.end();
});

test('a connection that takes longer to open than its caller waits serves a later caller', async () => {
  const proxy = await startTcpProxy(database.url);
  const pool = createPool({
    ...{ url: proxy.url, applicationName: 'test', connections: 1, connectTimeoutMs: 300 },
    ...{ statementTimeoutMs: 10_000, lockTimeoutMs: 10_000 },
  });
  const sql = createSql(pool);
  const one = defineStatement('slowlyConnectedOne')`SELECT 1 AS one`;
  // Each message takes this long; opening takes several, so every attempt outlasts a wait.
  proxy.delay(200);
  await expect(sql.query(one)).rejects.toMatchObject({ code: 'store_unavailable' });
  await eventually(
    'an answer',
    () =>
      sql.query(one).then(
        ([row]) => row !== undefined,
        () => false,
      ),
    20_000,
  );
  await pool.end();
  await proxy.cut();
});
