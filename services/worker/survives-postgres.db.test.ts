import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '../platform/postgres/migrate.ts';
import { createProducer, type Producer } from '../platform/queue/producer.ts';
import {
  composeWorker,
  createEffectTables,
  effectJob,
  effectJobId,
  effectProcessor,
  scheduledEffectJob,
} from '../platform/testing/job-world.ts';
import { type OwnStores, startOwnStores } from '../platform/testing/own-stores.ts';
import { eventually, queryRows } from '../platform/testing/product.ts';
import type { Composed } from './compose.ts';

let stores: OwnStores;
let producer: Producer;
let worker: Composed;

beforeAll(async () => {
  stores = await startOwnStores();
  await migrate(stores.databaseUrl);
  await createEffectTables(stores.databaseUrl);
  producer = createProducer(stores.redisUrl, () => {});
  await producer.ready(30_000);
  worker = composeWorker({ ...stores, processors: [effectProcessor({ ...scheduledEffectJob, attempts: 50 })] });
  await worker.start();
});
afterAll(async () => {
  await worker?.drain(5_000);
  await producer?.close();
  await stores?.dispose();
});

const effects = (effect: string) =>
  queryRows(stores.databaseUrl, 'SELECT job_id FROM effects WHERE effect = $1', [effect]);

test.each(['SIGKILL', 'SIGINT'] as const)(
  'Postgres ended by %s: jobs are tried again, and done once when it is back',
  async (signal) => {
    await eventually('a scheduled run', async () => (await effects('scheduled')).length > 0);
    await stores.end('postgres', signal);
    const patient = { ...effectJob, attempts: 50 };
    await producer.enqueue(patient, { effect: signal }, { jobId: signal });
    await eventually('a first try', async () => {
      const job = await producer.queue('audit-seal').getJob(effectJobId(signal));
      return (job?.attemptsMade ?? 0) > 0;
    });
    await stores.revive('postgres');
    await eventually('the effect', async () => (await effects(signal)).length > 0);
    await eventually(
      'the end',
      async () => (await producer.queue('audit-seal').getJobState(effectJobId(signal))) === 'completed',
    );
    expect(await effects(signal)).toHaveLength(1);
    // The timetable goes on too.
    await queryRows(stores.databaseUrl, 'UPDATE job_schedules SET next_run_at = clock_timestamp()');
    const before = (await effects('scheduled')).length;
    await eventually('the next scheduled run', async () => (await effects('scheduled')).length > before);
  },
);
