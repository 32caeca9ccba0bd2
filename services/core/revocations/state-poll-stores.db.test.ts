import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis as RedisClient } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { startRedis } from '#services/platform/local/redis.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { createStateCopies, type StateCopy } from './state-copy-harness.ts';

asShipped();

/** Servers that only this file uses, so that it can stop and freeze them by pid. */

const insert = defineStatement('testStoresInsert')`
  INSERT INTO revocations (kind, value, reason, expires_at) VALUES ('jti', $1, 'test', clock_timestamp() + interval '1 hour')`;
const postmaster = defineStatement(
  'testPostmaster',
  `SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid`,
);

let dataDir: string;
let marksDir: string;
let postgres: Awaited<ReturnType<typeof startPostgres>>;
let redis: Awaited<ReturnType<typeof startRedis>>;
const say = (): void => {};

const copies = createStateCopies(() => ({
  databaseUrl: postgres.url,
  redisUrl: redis.url,
  marks: createFileMarks(marksDir),
}));
const isRevoked = (copy: StateCopy, jti: string): boolean =>
  copy.revocations.check({ jti, sub: 'u', client_id: 'c', ue: 0, ce: 0 }) === 'revoked';
const revoke = async (copy: StateCopy, jti: string): Promise<void> => {
  await copy.sql.query(insert, [jti]);
  copy.poll.announce();
};
const reaches = (copy: StateCopy, jti: string): Promise<unknown> =>
  expect.poll(() => isRevoked(copy, jti), { timeout: 60_000 }).toBe(true);
const becomes = (copy: StateCopy, refusal: string | null): Promise<unknown> =>
  expect.poll(() => copy.revocations.refusal(), { timeout: 60_000 }).toBe(refusal);

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'sallyport-stores-'));
  marksDir = await mkdtemp(join(tmpdir(), 'sallyport-stores-marks-'));
  [postgres, redis] = await Promise.all([startPostgres({ dataDir, say }), startRedis({ dataDir, say })]);
  await migrate(postgres.url);
});
afterEach(() => copies.close());
afterAll(async () => {
  await Promise.all([postgres.stop(), redis.stop()]);
  await Promise.all([dataDir, marksDir].map((path) => rm(path, { recursive: true, force: true })));
});

test('after FLUSHALL revoked tokens stay rejected, also on a copy that starts afterwards', async () => {
  const [here, there] = [await copies.open(), await copies.open()];
  await revoke(here, 'before-flush');
  await reaches(there, 'before-flush');
  const client = new RedisClient(redis.url);
  await client.flushall();
  client.disconnect();
  await Promise.all([here.poll.wake(), there.poll.wake()]);
  expect([isRevoked(here, 'before-flush'), isRevoked(there, 'before-flush')]).toEqual([true, true]);
  expect(isRevoked(await copies.open(), 'before-flush')).toBe(true);
  await revoke(here, 'after-flush');
  await reaches(there, 'after-flush');
});

test('revocations reach the other copy before, during and after a restart of Redis', async () => {
  const [here, there] = [await copies.open(), await copies.open()];
  await revoke(here, 'redis-up');
  await reaches(there, 'redis-up');
  await redis.stop();
  await expect.poll(() => here.redis.isReady()).toBe(false);
  await revoke(here, 'redis-down');
  await reaches(there, 'redis-down');
  await Promise.all([becomes(here, null), becomes(there, null)]);
  redis = await startRedis({ dataDir, say });
  await expect.poll(() => here.redis.isReady() && there.redis.isReady(), { timeout: 60_000 }).toBe(true);
  await revoke(here, 'redis-back');
  await reaches(there, 'redis-back');
});

test('while Postgres is frozen every token is refused past the staleness bound; afterwards the copy continues without a missed revocation', async () => {
  const [here, there] = [await copies.open(), await copies.open()];
  await revoke(here, 'before-freeze');
  await reaches(there, 'before-freeze');
  const frozen = await freezePostgres(here);
  try {
    await Promise.all([becomes(here, 'revocation_state_stale'), becomes(there, 'revocation_state_stale')]);
    expect(there.revocations.state()).toMatchObject({ fresh: false, rewound: false });
  } finally {
    for (const pid of frozen.reverse()) process.kill(pid, 'SIGCONT');
  }
  await Promise.all([becomes(here, null), becomes(there, null)]);
  expect(isRevoked(there, 'before-freeze')).toBe(true);
  await revoke(here, 'after-freeze');
  await reaches(there, 'after-freeze');
});

test('a restart of Postgres makes a copy stale until it recovers; lost beats are not taken for a rewind', async () => {
  const copy = await copies.open();
  await revoke(copy, 'before-stop');
  await reaches(copy, 'before-stop');
  const { url } = postgres;
  await postgres.stop();
  await becomes(copy, 'revocation_state_stale');
  postgres = await startPostgres({ dataDir, say });
  expect(postgres.url).toBe(url);
  await becomes(copy, null);
  expect(isRevoked(copy, 'before-stop')).toBe(true);
  await revoke(copy, 'after-stop');
  await reaches(copy, 'after-stop');
});

test('after a kill of Postgres every acknowledged revocation is there, and the marks are not ahead of the database', async () => {
  const copy = await copies.open();
  for (let index = 0; index < 20; index += 1) await copy.sql.query(insert, [`acknowledged-${index}`]);
  await copy.poll.wake();
  const [row] = await copy.sql.query<{ pid: number }>(postmaster);
  process.kill(row!.pid, 'SIGKILL');
  await becomes(copy, 'revocation_state_stale');
  await postgres.stop();
  postgres = await startPostgres({ dataDir, say });
  await becomes(copy, null);
  expect(Array.from({ length: 20 }, (_, index) => isRevoked(copy, `acknowledged-${index}`)).every(Boolean)).toBe(true);
  expect(copy.revocations.state().rewound).toBe(false);
});

/** Stops the postmaster, so that it starts no process, and then its backends; ignores backends that have ended meanwhile. */
async function freezePostgres(copy: StateCopy): Promise<number[]> {
  const [row] = await copy.sql.query<{ pid: number }>(postmaster);
  process.kill(row!.pid, 'SIGSTOP');
  const backends = await copy.sql.query<{ pid: number }>(
    defineStatement('testBackends')`SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()`,
  );
  const isStopped = (pid: number): boolean => {
    try {
      return process.kill(pid, 'SIGSTOP');
    } catch {
      return false;
    }
  };
  return [row!.pid, ...backends.map(({ pid }) => pid).filter(isStopped)];
}
