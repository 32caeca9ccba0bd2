import { afterEach, beforeEach, expect, test } from 'vitest';
import type { WorkerPorts, WorkerProcessor } from '#jobs/processors.ts';
import { run } from '#services/core/processor.ts';
import type { Composed } from '#services/worker/compose.ts';
import { eventually } from '#tools/testing/eventually.ts';
import {
  askedEffectJob,
  type effectJob,
  effectJobId,
  openJobHarness,
  wantedEffect,
} from '#tools/testing/harness/job.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';

const database = opened(createTestDatabase);
const harness = opened(() => openJobHarness({ databaseUrl: database.url, redisUrl: testRedisUrl() }));
beforeEach(() => harness.rows`TRUNCATE wanted, job_fences`);
afterEach(() => harness.reset());

const startWorker = (processor: WorkerProcessor = wantedEffect()): Promise<Composed> =>
  harness.startWorker({ processors: [processor] });
const want = (effect = 'wanted') => harness.rows`INSERT INTO wanted (effect) VALUES (${effect})`;
const queue = () => harness.queue();
const fence = async () => (await harness.rows<{ fence: string }>`SELECT fence FROM job_fences`)[0]?.fence;
const row = async () => (await harness.schedules())[0]!;
/** The first run of a worker follows its start, as its settings may be new. */
const untilFirstRun = () => eventually('the first run', async () => (await row())?.last_outcome === 'completed');
const untilAdvanced = async (): Promise<void> => {
  const { last_finished_at_ms: lastFinishedAtMs } = await row();
  await eventually(
    'the row of an idle job to advance',
    async () => (await row()).last_finished_at_ms !== lastFinishedAtMs,
  );
};

test('a job without work takes no fence and is not enqueued, and the question counts as its last run', async () => {
  const worker = await startWorker();
  await untilFirstRun();
  for (let times = 0; times < 3; times += 1) await untilAdvanced();
  expect(await fence()).toBe('1');
  expect(await queue().getJobCounts('wait', 'active', 'delayed')).toMatchObject({ wait: 0, active: 0, delayed: 0 });
  const { since_success_ms: sinceSuccessMs, due_in_ms: dueInMs, last_outcome: lastOutcome } = await row();
  expect(lastOutcome).toBe('completed');
  expect(sinceSuccessMs).toBeLessThan(60_000);
  expect(dueInMs).toBeGreaterThan(-60_000);
  expect(worker.health.read()).toEqual({ status: 'ok', reasons: [] });
});

test('work is found though nothing wakes the job, and each piece of it is done once by three workers', async () => {
  await Promise.all([startWorker(), startWorker(), startWorker()]);
  await untilFirstRun();
  await want();
  await harness.untilEffects(1);
  await want();
  await harness.untilEffects(2);
  await untilAdvanced();
  expect(await harness.effects()).toBe(2);
});

test('a worker that dies after it saw the work and before the run took its fence leaves the work to another', async () => {
  const first = await harness.forkWorker({ ASKED: '1' });
  await untilFirstRun();
  await queue().pause();
  await want();
  const slot = await eventually('the run in Redis', async () => (await queue().getJobs(['wait']))[0]?.id);
  const before = await fence();
  first.kill('SIGKILL');
  await startWorker();
  await queue().resume();
  await harness.untilEffects(1);
  expect(slot).toBe(effectJobId(slot!.slice(effectJobId('').length)));
  expect(Number(await fence())).toBeGreaterThan(Number(before));
  await untilAdvanced();
  expect(await harness.effects()).toBe(1);
});

test('a run that Redis loses after it was enqueued is enqueued again', async () => {
  await startWorker();
  await untilFirstRun();
  await queue().pause();
  await want();
  await eventually('the run in Redis', async () => (await queue().getJobs(['wait'])).length > 0);
  await queue().obliterate({ force: true });
  await queue().resume();
  await harness.untilEffects(1);
});

test.each(['1 hour', '-1 hour'])(
  'a database clock that jumps by %s delays work by one interval at most',
  async (interval) => {
    await startWorker();
    await untilFirstRun();
    await harness.rows(`UPDATE job_schedules SET next_run_at = next_run_at - interval '${interval}'`);
    await want();
    await harness.untilEffects(1);
  },
);

test.each(['3600000', '-3600000'])('a worker whose clock is off by %s ms finds work as before', async (step) => {
  await harness.forkWorker({ ASKED: '1', CLOCK_STEP_MS: step });
  await untilFirstRun();
  await want();
  await harness.untilEffects(1);
});

test('a run that fails for good is tried again while there is work, and no dead letter', async () => {
  let fails = true;
  const job = { ...askedEffectJob, attempts: 1 };
  const { question, work } = wantedEffect();
  const failing = run(
    job as typeof effectJob,
    async (ports: WorkerPorts, jobRun) => {
      if (fails) throw new Error('an outage');
      await work(ports, jobRun.payload, jobRun);
    },
    question,
  );
  await want();
  await startWorker(failing);
  await eventually('the failed run', async () => (await row())?.last_outcome === 'dead');
  fails = false;
  await harness.untilEffects(1);
  expect(await queue().getFailedCount()).toBe(0);
});

test('without work a job still runs once in its idle time', async () => {
  await startWorker(wantedEffect({ everySeconds: 1, idleSeconds: 2 }));
  await eventually('a third run', async () => Number(await fence()) >= 3);
});

test('a worker whose questions are not answered becomes stale, however young the row was', async () => {
  const worker = await startWorker();
  await untilFirstRun();
  await harness.rows`ALTER TABLE wanted RENAME TO gone`;
  try {
    await harness.rows`UPDATE job_schedules SET last_succeeded_at = now() - interval '1 day'`;
    const reason = 'seal-audit-events: no successful run in time';
    await eventually('the reason', () => worker.health.read().reasons.includes(reason), 30_000);
  } finally {
    await harness.rows`ALTER TABLE gone RENAME TO wanted`;
  }
  await eventually('health', () => worker.health.read().status === 'ok');
});
