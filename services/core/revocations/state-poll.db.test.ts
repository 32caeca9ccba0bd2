import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { openedEach } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { REVOCATION_STREAM } from './revocation-news.cache.ts';
import { createStateCopies, type StateCopy } from './state-copy-harness.ts';

asShipped();

const insert = defineStatement('testRevocationInsert')`
  INSERT INTO revocations (kind, value, reason, expires_at) VALUES ('jti', $1, 'test', clock_timestamp() + interval '1 hour')`;
const insertMany = defineStatement('testRevocationInsertMany')`
  INSERT INTO revocations (kind, value, reason, expires_at)
  SELECT 'jti', $1 || n, 'test', clock_timestamp() + interval '1 hour' FROM generate_series(1, $2::int) n`;
const all = defineStatement('testRevocationsAll')`SELECT epoch, value FROM revocations ORDER BY epoch`;
const write = defineStatement('testWrite')`
  UPDATE token_lifetimes SET revocation_keep_seconds = revocation_keep_seconds`;
const doze = defineStatement('testSleep')`SELECT pg_sleep($1)`;
const savepoint = defineStatement('testSavepoint')`SAVEPOINT a`;
const rollbackTo = defineStatement('testRollbackTo')`ROLLBACK TO SAVEPOINT a`;
const counter = defineStatement('testCounter')`SELECT revocation_epoch AS epoch, beat FROM feed_state`;

const dataDir = testFolder();
const redisUrl = testRedisUrl();

const copies = createStateCopies(() => ({
  databaseUrl: database.url,
  redisUrl,
  marks: createFileMarks(dataDir),
  stalenessBoundMs: 60_000,
}));

const claimsOf = (jti: string) => ({ jti, sub: 'u', client_id: 'c', ue: 0, ce: 0 });
const isRevoked = (copy: StateCopy, jti: string): boolean => copy.revocations.check(claimsOf(jti)) === 'revoked';
const rowsOf = (sql: Sql): Promise<{ epoch: number; value: string }[]> => sql.query(all);

const database = openedEach(createTestDatabase);
beforeEach(async () => {
  await rm(join(dataDir, 'marks.json'), { force: true });
});
afterEach(() => copies.close());

describe('numbering', () => {
  test('many revocations in one transaction get consecutive epochs with one update of the counter', async () => {
    const { transact, sql } = await copies.open();
    await transact(async (tx) => {
      await tx.query(insertMany, ['a', 300]);
      await tx.query(insert, ['b']);
      await tx.query(insertMany, ['c', 200]);
    });
    const rows = await rowsOf(sql);
    expect(rows.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 501 }, (_, at) => at + 1));
    expect(rows[300]?.value).toBe('b');
    expect(await sql.query(counter)).toMatchObject([{ epoch: 501 }]);
  });

  test('revocations that a savepoint rolls back get no epoch', async () => {
    const { transact, sql } = await copies.open();
    await transact(async (tx) => {
      await tx.query(insert, ['kept']);
      await tx.query(savepoint);
      await tx.query(insertMany, ['gone', 7]);
      await tx.query(rollbackTo);
      await tx.query(insert, ['too']);
    });
    expect(await rowsOf(sql)).toEqual([
      { epoch: 1, value: 'kept' },
      { epoch: 2, value: 'too' },
    ]);
    expect(await sql.query(counter)).toMatchObject([{ epoch: 2 }]);
  });
});

test('with 24 writers that commit out of order and roll back, two pollers see every commit once and in order', async () => {
  const writer = await copies.open({ pollIntervalMs: 10_000 });
  const pollers = await Promise.all([copies.open({ pollIntervalMs: 50 }), copies.open({ pollIntervalMs: 70 })]);
  let committed = 0;
  const write = async (name: number): Promise<void> => {
    for (let turn = 0; turn < 40; turn += 1) {
      const work = writer.transact(async (tx) => {
        await tx.query(
          turn % 9 === 0 ? insertMany : insert,
          turn % 9 === 0 ? [`w${name}.${turn}.`, 5] : [`w${name}.${turn}`],
        );
        if ((name + turn) % 4 === 0) await tx.query(doze, [0.002 * ((name * 7 + turn) % 5)]);
        if ((name * 3 + turn) % 7 === 0) throw new Error('taken back');
        tx.afterCommit(() => (turn % 2 === 0 ? pollers[turn % 3 === 0 ? 0 : 1]?.poll.announce() : undefined));
        committed += turn % 9 === 0 ? 5 : 1;
      });
      await work.catch((err: Error) => {
        if (err.message !== 'taken back') throw err;
      });
    }
  };
  await Promise.all(Array.from({ length: 24 }, (_, name) => write(name)));
  await Promise.all(pollers.map(({ poll }) => poll.wake()));
  const truth = await rowsOf(writer.sql);
  expect(truth).toHaveLength(committed);
  expect(truth.map(({ epoch }) => epoch)).toEqual(Array.from({ length: committed }, (_, at) => at + 1));
  for (const { applied, revocations } of pollers) {
    expect(applied.map(({ epoch, value }) => ({ epoch, value }))).toEqual(truth);
    expect(revocations.state()).toMatchObject({ epoch: committed, entries: committed, fresh: true });
  }
});

describe('reaching every copy', () => {
  test('with Redis, an announced revocation is read by another copy that does not poll by its timer', async () => {
    const [here, there] = [
      await copies.open(),
      await copies.open({ pollIntervalMs: 60_000, stalenessBoundMs: 60_000 }),
    ];
    await expect.poll(() => there.redis.isReady() && here.redis.isReady()).toBe(true);
    // The follower's first blocking read may not have begun; only a poll finds an entry from before it.
    await expect
      .poll(async () => {
        await here.sql.query(insert, [`j${Math.random()}`]);
        here.poll.announce();
        return there.revocations.state().epoch;
      })
      .toBeGreaterThan(0);
    await here.transact(async (tx) => {
      await tx.query(insert, ['pushed']);
      tx.afterCommit(() => here.poll.announce());
    });
    await expect.poll(() => isRevoked(there, 'pushed')).toBe(true);
    expect(isRevoked(here, 'pushed')).toBe(true);
  });

  test('without Redis, the poll finds it, and the copy is not stale', async () => {
    const nowhere = 'redis://127.0.0.1:1/0';
    const [here, there] = [await copies.open({ redisUrl: nowhere }), await copies.open({ redisUrl: nowhere })];
    await here.sql.query(insert, ['polled']);
    here.poll.announce();
    await expect.poll(() => isRevoked(there, 'polled')).toBe(true);
    expect(there.revocations.refusal()).toBeNull();
  });

  test('a forged stream entry causes a poll and has no other effect', async () => {
    const copy = await copies.open();
    await expect.poll(() => copy.redis.isReady()).toBe(true);
    await copy.sql.query(insert, ['real']);
    await copy.poll.wake();
    const before = copy.revocations.state();
    const forged: Record<string, string>[] = [
      { epoch: '999999999' },
      { epoch: 'x' },
      { jti: 'honest' },
      { epoch: '-1' },
    ];
    for (const fields of forged) await copy.redis.append(REVOCATION_STREAM, fields, 1_000);
    await copy.poll.wake();
    expect(copy.revocations.state()).toMatchObject({ epoch: before.epoch, entries: before.entries });
    expect([isRevoked(copy, 'honest'), isRevoked(copy, 'real')]).toEqual([false, true]);
  });

  test('after FLUSHALL revoked tokens stay rejected, and later revocations are still read', async () => {
    const copy = await copies.open();
    await copy.sql.query(insert, ['before']);
    await copy.poll.wake();
    await expect.poll(() => copy.redis.isReady()).toBe(true);
    await copy.redis.delete(REVOCATION_STREAM);
    await copy.sql.query(insert, ['after']);
    await expect.poll(() => isRevoked(copy, 'after')).toBe(true);
    expect(isRevoked(copy, 'before')).toBe(true);
    const restarted = await copies.open();
    expect([isRevoked(restarted, 'before'), isRevoked(restarted, 'after')]).toEqual([true, true]);
  });
});

test('more revocations than fit into a page are all loaded before any token is validated', async () => {
  const writer = await copies.open();
  await writer.sql.query(insertMany, ['n', 4_500]);
  const copy = copies.start();
  expect(copy.revocations.refusal()).toBe('revocation_state_stale');
  await copy.poll.ready();
  expect(copy.revocations.state()).toMatchObject({ epoch: 4_500, entries: 4_500 });
});

test('while something is written, one copy at a time advances the beat, and the marks follow it', async () => {
  const [one] = await Promise.all([copies.open(), copies.open(), copies.open()]);
  const marks = createFileMarks(dataDir);
  await one!.sql.query(insert, ['x']);
  const beatAfterWrite = async (): Promise<number> => {
    await one!.sql.query(write);
    return (await marks.read())?.beat ?? 0;
  };
  await expect.poll(beatAfterWrite, { timeout: 60_000 }).toBeGreaterThanOrEqual(3);
  await expect.poll(async () => (await marks.read())?.revocationEpoch).toBe(1);
});
