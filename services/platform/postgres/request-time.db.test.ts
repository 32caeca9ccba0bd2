import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { runInSpan, startServerSpan } from '#observability/http-span.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { createTestPorts } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, type TestDatabase } from '#tools/testing/harness/stores.ts';
import { defineStatement } from '../define/statement.ts';
import { createPool, createSql, createTransact } from './pool.ts';

asShipped();

/** After it the server ends a statement that was given up, and its connection serves others again. */
const LIMIT_MS = 2_000;
const FAR_MS = 60_000;
const pid = defineStatement('testPid')`SELECT pg_backend_pid() AS pid`;
const nap = defineStatement('testNap')`SELECT pg_sleep(8)`;
const insert = defineStatement('testInsert')`INSERT INTO timed_rows VALUES (1)`;
const count = defineStatement('testCount')`SELECT count(*)::int AS count FROM timed_rows`;
const UNAVAILABLE = { code: 'store_unavailable' };

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  const ports = createTestPorts(database.url);
  await ports.raw`CREATE TABLE timed_rows (id int)`;
  await ports.end();
});
afterAll(() => database.drop());

function openPool(connections: number, applicationName = 'test'): pg.Pool {
  const pool = createPool({
    url: database.url,
    connections,
    applicationName,
    statementTimeoutMs: LIMIT_MS,
    lockTimeoutMs: LIMIT_MS,
    connectTimeoutMs: LIMIT_MS,
    limitsRequests: true,
  });
  onTestFinished(() => pool.end());
  return pool;
}

/** Runs work for a request that has this long. */
function inRequest<T>(leftMs: number, work: () => Promise<T>): Promise<T> {
  const request = startServerSpan({}, 'POST', undefined);
  request.storeMsLeft = leftMs;
  return runInSpan(request, work);
}

test('a statement is given up when the time of its request is up, long before its own limit, and the pool goes on', async () => {
  const sql = createSql(openPool(1));
  const startedAt = performance.now();
  await expect(inRequest(300, () => sql.query(nap))).rejects.toMatchObject(UNAVAILABLE);
  expect(performance.now() - startedAt).toBeLessThan(LIMIT_MS / 2);
  expect(await sql.query(pid)).toHaveLength(1);
});

test('the server never runs more statements than the pool has connections, also of those that were given up', async () => {
  const pool = openPool(2, 'test-given-up');
  const sql = createSql(pool);
  const transact = createTransact(pool, () => {});
  await Promise.all([sql.query(pid), sql.query(pid)]);
  const watched = createTestPorts(database.url);
  onTestFinished(() => watched.end());
  const sessions = (): Promise<{ pid: number }[]> =>
    watched.raw`SELECT pid FROM pg_stat_activity WHERE application_name = 'test-given-up' ORDER BY pid`;
  const before = await sessions();
  expect(before).toHaveLength(2);
  const given = Promise.allSettled([
    inRequest(200, () => sql.query(nap)),
    inRequest(200, () => transact((tx) => tx.query(nap))),
    ...Array.from({ length: 4 }, () => inRequest(600, () => sql.query(pid))),
  ]);
  for (const { status } of await given) expect(status).toBe('rejected');
  // Nothing was opened anew, neither then nor when they have ended.
  expect(await sessions()).toEqual(before);
  await Promise.all([sql.query(pid), sql.query(pid)]);
  expect(await sessions()).toEqual(before);
});

test('a request whose time is up when its connection comes sends nothing, and the connection serves others', async () => {
  const pool = openPool(1);
  const sql = createSql(pool);
  await sql.query(pid);
  await expect(inRequest(0, () => sql.query(insert))).rejects.toMatchObject(UNAVAILABLE);
  expect(await sql.query(count)).toEqual([{ count: 0 }]);
  expect([pool.totalCount, pool.idleCount]).toEqual([1, 1]);
});

test('a wait for a connection ends when the time is up, and the connection that comes later serves others', async () => {
  const pool = openPool(1);
  const sql = createSql(pool);
  const held = await pool.connect();
  await expect(inRequest(200, () => sql.query(pid))).rejects.toMatchObject(UNAVAILABLE);
  const waiting = sql.query(pid);
  held.release();
  expect(await waiting).toHaveLength(1);
  expect([pool.waitingCount, pool.idleCount]).toEqual([0, 1]);
});

test('a statement that waited has the time of its own request, not that of the request before it', async () => {
  const pool = openPool(1);
  const sql = createSql(pool);
  let waiting: Promise<unknown> | undefined;
  await inRequest(FAR_MS, async () => {
    const held = await pool.connect();
    waiting = inRequest(300, () => sql.query(nap));
    waiting.catch(() => {});
    held.release();
  });
  await expect(waiting).rejects.toMatchObject(UNAVAILABLE);
});

test('nothing is sent when the time is up: such a transaction does not commit', async () => {
  const pool = openPool(2);
  const transact = createTransact(pool, () => {});
  const attempt = inRequest(200, () =>
    transact(async (tx) => {
      await tx.query(insert);
      await tx.query(nap).catch(() => {});
    }),
  );
  await expect(attempt).rejects.toMatchObject(UNAVAILABLE);
  expect(await createSql(pool).query(count)).toEqual([{ count: 0 }]);
});

test('an answer does not wait for actions after the commit past its time, and they still run', async () => {
  const transact = createTransact(openPool(1), () => {});
  const ran = Promise.withResolvers<void>();
  let isDone = false;
  await inRequest(1_000, () =>
    transact(async (tx) => {
      tx.afterCommit(async () => {
        await sleep(1_500);
        isDone = true;
        ran.resolve();
      });
    }),
  );
  expect(isDone).toBe(false);
  await ran.promise;
});

test('only time spent on the database counts, and the times of all statements add up', async () => {
  const sql = createSql(openPool(1));
  await inRequest(600, async () => {
    await sleep(800);
    await sql.query(pid);
  });
  const slow = defineStatement('testSlow')`SELECT pg_sleep(0.4)`;
  const twice = inRequest(600, async () => {
    await sql.query(slow);
    await sql.query(slow);
  });
  await expect(twice).rejects.toMatchObject(UNAVAILABLE);
});

test('work outside a request has no such limit', async () => {
  const sql = createSql(openPool(1));
  await inRequest(1_000, () => sql.query(pid));
  await sleep(1_100);
  expect(await sql.query(pid)).toHaveLength(1);
});
