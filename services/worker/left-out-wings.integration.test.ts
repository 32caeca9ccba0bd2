import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { processorsOf, type WorkerProcessor } from '#jobs/processors.ts';
import { jobsOf, leftOutJobs, queuesOf } from '#jobs/schedules.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { composeWorker, type JobHarness, openJobHarness } from '#tools/testing/harness/job.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { WINGS, type Wing } from '../platform/config/wings.ts';
import { isScheduled, type Job } from '../platform/define/job.ts';

let database: TestDatabase;
let harness: JobHarness;
beforeAll(async () => {
  database = await createTestDatabase();
  harness = await openJobHarness({ databaseUrl: database.url, redisUrl: testRedisUrl() });
});
afterEach(() => harness.reset());
afterAll(async () => {
  await harness?.end();
  await database?.drop();
});

const leftOut = leftOutJobs({ leftOut: WINGS }).filter(isScheduled);
const kept = jobsOf({ leftOut: WINGS });
/** Queues in which a worker without the wings finds their jobs before its own. */
const shared = queuesOf(leftOut).filter((queue) => queuesOf(kept).includes(queue));

/** A worker whose jobs do nothing but tell that they ran. */
const workerWithout = async (wings: readonly Wing[], ran: Set<string>) =>
  composeWorker({
    databaseUrl: harness.databaseUrl,
    redisUrl: harness.redisUrl,
    env: { SALLYPORT_LEAVE_OUT: wings.join(',') },
    processors: (await processorsOf({ leftOut: wings })).map(
      (processor): WorkerProcessor => ({ ...processor, work: async () => ran.add(processor.job.name) }),
    ),
  });
const stateOf = ({ name, queue }: Job, ownId: string) => harness.producer.queue(queue).getJobState(`${name}-${ownId}`);

test('jobs enqueued for wings that are now left out hold up no queue and become no dead letters; with the wings they run', async () => {
  expect(shared).toContain('token-cleanup');
  for (const job of leftOut) await harness.producer.enqueue(job, {}, { jobId: 'before' });
  const behind = shared.map((queue) => kept.find((job) => job.queue === queue && job.schedule !== undefined)!);
  for (const job of behind) await harness.producer.enqueue(job, {}, { jobId: 'behind' });

  const ranWithout = new Set<string>();
  const without = await workerWithout(WINGS, ranWithout);
  await without.start();
  for (const job of behind)
    await eventually(`${job.name} behind those jobs`, async () => (await stateOf(job, 'behind')) === 'completed');
  expect(without.health.read().reasons).toEqual([]);
  await without.drain(5_000);
  expect(leftOut.filter(({ name }) => ranWithout.has(name))).toEqual([]);
  for (const job of leftOut)
    expect([job.name, await stateOf(job, 'before')]).toEqual([
      job.name,
      shared.includes(job.queue) ? 'completed' : 'waiting',
    ]);

  const ranWith = new Set<string>();
  const back = await workerWithout([], ranWith);
  await back.start();
  await eventually('every job of the wings', async () => leftOut.every(({ name }) => ranWith.has(name)));
  for (const job of leftOut)
    await eventually(`${job.name} of before`, async () => (await stateOf(job, 'before')) === 'completed');
  await back.drain(5_000);
});
