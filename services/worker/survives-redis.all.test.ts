// About: services/worker/ services/platform/queue/
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { effectJob, effectProcessor, openJobHarness, scheduledEffectJob } from '#tools/testing/harness/job.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { startOwnStores } from '#tools/testing/processes/own-stores.ts';
import { createProducer, type Producer } from '../platform/queue/producer.ts';
import type { Composed } from './compose.ts';

asShipped();

const database = opened(createTestDatabase);
const stores = opened(startOwnStores);
const harness = opened(() => openJobHarness({ databaseUrl: database.url, redisUrl: stores.redisUrl }));
const producer = partOf(() => harness.producer);
afterEach(() => harness.reset());

const startWorker = (): Promise<Composed> => harness.startWorker({ processors: [effectProcessor(scheduledEffectJob)] });

/** Enqueues a job while Redis is away: refused long before a caller would give up. */
async function expectRefusedSoon(by: Producer, effect: string): Promise<void> {
  const tooLate = new AbortController();
  const refused = outcomeOf(by.enqueue(effectJob, { effect }));
  const late = sleep(5_000, 'not within five seconds', { signal: tooLate.signal }).catch(() => 'over');
  expect(await Promise.race([refused, late])).toBe('queue_unavailable');
  tooLate.abort();
}

test('FLUSHALL: the next runs are back in Redis by the next check, and jobs are taken as before', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  const redis = new Redis(stores.redisUrl);
  await redis.flushall();
  await redis.quit();
  await harness.untilPlaced();
  await producer.enqueue(effectJob, { effect: 'after the flush' });
  await harness.untilEffects(2);
});

test('without Redis, enqueuing fails at once with an error; what became due meanwhile runs once when Redis is back', async () => {
  const worker = await startWorker();
  await harness.untilEffects(1);
  await stores.end('redis', 'SIGKILL');
  await expectRefusedSoon(producer, 'lost');
  // Three slots pass without Redis.
  for (let slot = 0; slot < 3; slot += 1) await harness.makeDue();
  await stores.revive('redis');
  await harness.untilEffects(2);
  await harness.untilPlaced();
  expect(await harness.effects()).toBe(2);
  expect(worker.health.read().status).toBe('ok');
});

test('Redis down at boot: a producer fails at once, a worker starts, and both work once Redis is available', async () => {
  await stores.end('redis', 'SIGKILL');
  const late = createProducer(stores.redisUrl, () => {});
  await expectRefusedSoon(late, 'too early');
  await startWorker();
  expect(await harness.effects()).toBe(0);
  await stores.revive('redis');
  await harness.untilEffects(1);
  await eventually('the producer', () => late.isReady());
  await late.enqueue(effectJob, { effect: 'in time' });
  await harness.untilEffects(2);
  await late.close();
});

test('an idle worker stops at once while Redis is away', async () => {
  const worker = await startWorker();
  await harness.untilEffects(1);
  await stores.end('redis', 'SIGKILL');
  await worker.drain(60_000);
  await stores.revive('redis');
});

test('a frozen Redis does not block a caller that enqueues a job', async () => {
  await eventually('redis', () => producer.isReady());
  const thaw = stores.freezeRedis();
  try {
    await expectRefusedSoon(producer, 'never');
  } finally {
    thaw();
  }
});

test('READONLY after a failover: the worker continues by itself once there is a primary again', async () => {
  await startWorker();
  await harness.untilEffects(1);
  const redis = new Redis(stores.redisUrl);
  await redis.replicaof('127.0.0.1', 1);
  await expectRefusedSoon(producer, 'refused');
  await harness.makeDue();
  await redis.replicaof('NO', 'ONE');
  await redis.quit();
  await harness.untilEffects(2);
  await eventually('the producer', async () => {
    return producer.enqueue(effectJob, { effect: 'accepted' }, { jobId: 'accepted' }).then(
      () => true,
      () => false,
    );
  });
  await harness.untilEffects(3);
});
