// About: services/worker/ services/platform/queue/

import { afterEach, beforeAll, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { asPromised } from '#tools/testing/harness/busy-machine.ts';
import {
  effectJob,
  effectJobId,
  effectProcessor,
  openJobHarness,
  scheduledEffectJob,
} from '#tools/testing/harness/job.ts';
import { opened } from '#tools/testing/opened.ts';
import { startOwnStores } from '#tools/testing/processes/own-stores.ts';
import type { Job } from '../platform/define/job.ts';
import { migrate } from '../platform/postgres/migrate.ts';
import type { Composed } from './compose.ts';

asPromised();

const stores = opened(startOwnStores);
beforeAll(async () => {
  await migrate(stores.databaseUrl);
});
const harness = opened(() => openJobHarness(stores));
afterEach(() => harness.reset());

const startWorker = (job: Job, env: Record<string, string> = {}): Promise<Composed> =>
  harness.startWorker({ processors: [effectProcessor(job)], env });

const effects = (effect: string) => harness.rows`SELECT job_id FROM effects WHERE effect = ${effect}`;

test.each(['SIGKILL', 'SIGINT'] as const)(
  'Postgres ended by %s: jobs are retried, and done once when it is back',
  async (signal) => {
    await startWorker({ ...scheduledEffectJob, attempts: 50 });
    await eventually('a scheduled run', async () => (await effects('scheduled')).length > 0);
    await stores.end('postgres', signal);
    const patient = { ...effectJob, attempts: 50 };
    await harness.producer.enqueue(patient, { effect: signal }, { jobId: signal });
    await eventually('a first try', async () => {
      const job = await harness.queue().getJob(effectJobId(signal));
      return (job?.attemptsMade ?? 0) > 0;
    });
    await stores.revive('postgres');
    await eventually('the effect', async () => (await effects(signal)).length > 0);
    await eventually('the end', async () => (await harness.queue().getJobState(effectJobId(signal))) === 'completed');
    expect(await effects(signal)).toHaveLength(1);
    // The timetable continues too.
    const before = (await effects('scheduled')).length;
    await harness.makeDue();
    await eventually('the next scheduled run', async () => (await effects('scheduled')).length > before);
  },
);

const gauge = (name: string): number | undefined =>
  registry.collect().find((metric) => metric.name === name)?.series[0]?.value;

test('with Postgres away past the limit a worker reports that jobs are stalled, even if its last reading was good', async () => {
  const job = { ...scheduledEffectJob, schedule: { everySeconds: 1 }, attempts: 1, staleAfterSeconds: 3 };
  const worker = await startWorker(job, { QUEUE_STALL_SECONDS: '1' });
  await eventually(
    'health',
    async () => (await effects('scheduled')).length > 0 && worker.health.read().status === 'ok',
  );
  expect([gauge('sallyport_worker_healthy'), gauge('sallyport_job_schedule_stale')]).toEqual([1, 0]);
  await stores.end('postgres', 'SIGKILL');
  // Its only try is used up, and no worker can enqueue the next slot.
  const reasons = ['Postgres is unreachable', 'seal-audit-events: no successful run in time'];
  await eventually('both reasons', () => reasons.every((reason) => worker.health.read().reasons.includes(reason)));
  expect([gauge('sallyport_worker_healthy'), gauge('sallyport_job_schedule_stale')]).toEqual([0, 1]);
  await stores.revive('postgres');
  const before = (await effects('scheduled')).length;
  await eventually('runs again', async () => (await effects('scheduled')).length > before);
  await eventually('health', () => worker.health.read().status === 'ok');
  expect([gauge('sallyport_worker_healthy'), gauge('sallyport_job_schedule_stale')]).toEqual([1, 0]);
  // What failed meanwhile was a state of its schedule.
  expect(await harness.queue().getFailedCount()).toBe(0);
});
