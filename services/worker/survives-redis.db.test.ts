import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createProducer, type Producer } from '../platform/queue/producer.ts';
import { readSchedules } from '../platform/queue/schedule-rows.ts';
import {
  composeWorker,
  createEffectTables,
  effectJob,
  effectProcessor,
  scheduledEffectJob,
} from '../platform/testing/job-world.ts';
import { type OwnStores, startOwnStores } from '../platform/testing/own-stores.ts';
import { createTestPorts, type TestPorts } from '../platform/testing/ports.ts';
import { eventually, queryRows } from '../platform/testing/product.ts';
import { createTestDatabase, type TestDatabase } from '../platform/testing/stores.ts';
import type { Composed } from './compose.ts';

let database: TestDatabase;
let stores: OwnStores;
let producer: Producer;
let ports: TestPorts;
const running: Composed[] = [];

beforeAll(async () => {
  [database, stores] = await Promise.all([createTestDatabase(), startOwnStores()]);
  await createEffectTables(database.url);
  ports = createTestPorts(database.url);
  producer = createProducer(stores.redisUrl, () => {});
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((worker) => worker.drain(5_000)));
  await queryRows(database.url, 'TRUNCATE job_schedules, effects');
});
afterAll(async () => {
  await producer?.close();
  await ports?.end();
  await Promise.all([database?.drop(), stores?.dispose()]);
});

async function startWorker(job = scheduledEffectJob): Promise<Composed> {
  const { databaseUrl, redisUrl } = { databaseUrl: database.url, redisUrl: stores.redisUrl };
  const worker = composeWorker({ databaseUrl, redisUrl, processors: [effectProcessor(job)] });
  running.push(worker);
  await worker.start();
  return worker;
}

const runs = async (): Promise<number> => (await queryRows(database.url, 'SELECT 1 FROM effects')).length;
const untilRuns = (count: number) => eventually(`run ${count}`, async () => (await runs()) >= count);
const makeDue = () => queryRows(database.url, 'UPDATE job_schedules SET next_run_at = clock_timestamp()');
/** Adding a job while Redis cannot take it: refused, and by far sooner than a caller would give up. */
async function expectRefusedSoon(by: Producer, effect: string): Promise<void> {
  const tooLate = new AbortController();
  const refused = by.enqueue(effectJob, { effect }).then(
    () => 'accepted',
    (err: { code?: string }) => err.code,
  );
  const late = sleep(5_000, 'not within five seconds', { signal: tooLate.signal }).catch(() => 'over');
  expect(await Promise.race([refused, late])).toBe('queue_unavailable');
  tooLate.abort();
}
const nextRunIsPlaced = async (): Promise<boolean> => {
  const [row] = await readSchedules(ports.sql);
  const job = row && (await producer.queue('audit-seal').getJob(`seal-audit-events-${row.nextRunAtMs}`));
  return (await job?.getState()) === 'delayed';
};

test('FLUSHALL: the next runs are back in Redis by the next check, and jobs are taken as before', async () => {
  await startWorker();
  await untilRuns(1);
  await eventually('the next run in Redis', nextRunIsPlaced);
  const redis = new Redis(stores.redisUrl);
  await redis.flushall();
  await redis.quit();
  await eventually('the next run again', nextRunIsPlaced);
  await producer.enqueue(effectJob, { effect: 'after the flush' });
  await untilRuns(2);
});

test('Redis away: adding fails at once and says so; what came due meanwhile runs when Redis is back, once', async () => {
  const worker = await startWorker();
  await untilRuns(1);
  await stores.end('redis', 'SIGKILL');
  await expectRefusedSoon(producer, 'lost');
  // Three slots pass without Redis.
  for (let slot = 0; slot < 3; slot += 1) await makeDue();
  await stores.revive('redis');
  await untilRuns(2);
  await eventually('the next run in Redis', nextRunIsPlaced);
  expect(await runs()).toBe(2);
  expect(worker.health.read().status).toBe('ok');
});

test('Redis down at boot: a producer fails at once, a worker starts, and both work once Redis is there', async () => {
  await stores.end('redis', 'SIGKILL');
  const late = createProducer(stores.redisUrl, () => {});
  await expectRefusedSoon(late, 'too early');
  await startWorker();
  expect(await runs()).toBe(0);
  await stores.revive('redis');
  await untilRuns(1);
  await eventually('the producer', () => late.isReady());
  await late.enqueue(effectJob, { effect: 'in time' });
  await untilRuns(2);
  await late.close();
});

test('a worker stops at once while Redis is away and nothing runs', async () => {
  const worker = await startWorker();
  await untilRuns(1);
  await stores.end('redis', 'SIGKILL');
  await worker.drain(60_000);
  await stores.revive('redis');
});

test('a frozen Redis holds nobody who adds a job', async () => {
  await eventually('redis', () => producer.isReady());
  const thaw = stores.freezeRedis();
  try {
    await expectRefusedSoon(producer, 'never');
  } finally {
    thaw();
  }
});

test('READONLY after a failover: the worker goes on by itself once there is a primary again', async () => {
  await startWorker();
  await untilRuns(1);
  const redis = new Redis(stores.redisUrl);
  await redis.replicaof('127.0.0.1', 1);
  await expectRefusedSoon(producer, 'refused');
  await makeDue();
  await redis.replicaof('NO', 'ONE');
  await redis.quit();
  await untilRuns(2);
  await eventually('the producer', async () => {
    return producer.enqueue(effectJob, { effect: 'accepted' }, { jobId: 'accepted' }).then(
      () => true,
      () => false,
    );
  });
  await untilRuns(3);
});
