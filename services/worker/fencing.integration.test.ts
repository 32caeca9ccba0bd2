import { afterEach, expect, test } from 'vitest';
import { processorsOf, type WorkerProcessor } from '#jobs/processors.ts';
import { jobsOf, leftOutJobs, queuesOf } from '#jobs/schedules.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { composeWorker, effectJob, effectJobId, openGate, openJobHarness } from '#tools/testing/harness/job.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { WINGS, type Wing } from '../platform/config/wings.ts';
import { isScheduled, type Job } from '../platform/define/job.ts';

const database = opened(createTestDatabase);
const harness = opened(() => openJobHarness({ databaseUrl: database.url, redisUrl: testRedisUrl() }));
afterEach(() => harness.reset());

const begun = (effect: string) => harness.rows`SELECT pid, fence FROM begun WHERE effect = ${effect}`;
const ended = (effect: string) => harness.rows`SELECT pid, outcome FROM ended WHERE effect = ${effect}`;
const effects = (effect: string) => harness.rows`SELECT fence, job_id FROM effects WHERE effect = ${effect}`;
const isDone = async (jobId: string) => (await harness.queue().getJobState(jobId)) === 'completed';

test('kill -9 in the middle of a job: another worker takes it, and its effect exists once', async () => {
  const [first, second] = [await harness.forkWorker(), await harness.forkWorker()];
  const effect = 'held by the killed';
  const { jobId } = await harness.producer.enqueue(effectJob, { effect }, { jobId: 'killed' });
  const [run] = await eventually('the first run', async () => (await begun(effect)).length > 0 && begun(effect));
  const [victim, heir] = run!.pid === first.pid ? [first, second] : [second, first];
  victim.kill('SIGKILL');
  await eventually('the second run', async () => (await begun(effect)).length > 1);
  await openGate(database.url, effect);
  await eventually('the end', () => isDone(jobId));
  expect(await effects(effect)).toEqual([{ fence: '2', job_id: jobId }]);
  expect(await ended(effect)).toEqual([{ pid: heir.pid, outcome: 'written' }]);
});

test('SIGSTOP past the lock: the late write of the frozen worker changes no row', async () => {
  const [first, second] = [await harness.forkWorker(), await harness.forkWorker()];
  const effect = 'held by the frozen';
  const { jobId } = await harness.producer.enqueue(effectJob, { effect }, { jobId: 'frozen' });
  const [run] = await eventually('the first run', async () => (await begun(effect)).length > 0 && begun(effect));
  const [frozen, heir] = run!.pid === first.pid ? [first, second] : [second, first];
  frozen.kill('SIGSTOP');
  await eventually('the second run', async () => (await begun(effect)).length > 1);
  await openGate(database.url, effect);
  await eventually('the end', () => isDone(jobId));
  expect(await effects(effect)).toHaveLength(1);
  frozen.kill('SIGCONT');
  const outcomes = await eventually('the late write', async () => (await ended(effect)).length > 1 && ended(effect));
  expect(outcomes).toEqual([
    { pid: heir.pid, outcome: 'written' },
    { pid: frozen.pid, outcome: 'run_superseded' },
  ]);
  expect(await effects(effect)).toHaveLength(1);
});

test('a job that crashes each worker becomes a dead letter instead of taking down every worker', async () => {
  const effect = 'held by the poisonous';
  const { jobId } = await harness.producer.enqueue(effectJob, { effect }, { jobId: 'poison' });
  for (let deaths = 1; deaths <= 4; deaths += 1) {
    const worker = await harness.forkWorker();
    await eventually(`run ${deaths}`, async () => (await begun(effect)).length >= deaths);
    worker.kill('SIGKILL');
  }
  await harness.forkWorker();
  await eventually('the dead letter', async () => (await harness.queue().getJobState(jobId)) === 'failed');
  expect(await begun(effect)).toHaveLength(4);
  expect(await effects(effect)).toEqual([]);
});

const TWO_DAYS_MS = 2 * 86_400_000;

const startWorker = (clockStepMs: number) => harness.forkWorker({ SCHEDULED: '1', CLOCK_STEP_MS: String(clockStepMs) });
const lastOutcome = async () => (await harness.schedules())[0]?.last_outcome;

test.each([
  ['one worker two days ahead', [TWO_DAYS_MS]],
  ['one worker two days back', [-TWO_DAYS_MS]],
  ['one ahead beside one that is right', [0, TWO_DAYS_MS]],
  ['one back beside one that is right', [0, -TWO_DAYS_MS]],
  ['one ahead beside one back', [TWO_DAYS_MS, -TWO_DAYS_MS]],
])('%s: each slot runs once, when it is due by the database’s clock', async (_what, steps) => {
  for (const step of steps) await startWorker(step);
  await eventually('the first run', async () => (await lastOutcome()) === 'completed');
  await harness.afterChecks(10);
  expect(await harness.begun()).toBe(1);
  await harness.makeDue();
  await harness.untilBegun(2);
  await harness.afterChecks(10);
  expect(await harness.begun()).toBe(2);
});

test('after a clock is corrected, a run enqueued two days ahead still runs when it is due', async () => {
  const wrong = await startWorker(TWO_DAYS_MS);
  await eventually('the first run', async () => (await lastOutcome()) === 'completed');
  await harness.afterChecks(2);
  wrong.kill('SIGKILL');
  await startWorker(0);
  // The same slot, due now: its job in Redis is only due the day after tomorrow.
  const [row] = await harness.schedules();
  const [delayed] = await harness.queue().getDelayed();
  expect(delayed?.id).toBe(effectJobId(String(row?.next_run_at_ms)));
  const slot = Date.now() - 60_000;
  await harness.rows`UPDATE job_schedules SET next_run_at = to_timestamp(${slot}::float8 / 1000)`;
  await harness.queue().add('seal-audit-events', delayed?.data ?? { payload: {} }, {
    jobId: effectJobId(String(slot)),
    delay: TWO_DAYS_MS,
  });
  await harness.untilBegun(2);
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
