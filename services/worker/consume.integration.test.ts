import { afterEach, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { run, runUnfenced } from '#services/core/processor.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { effectJob, effectJobId, effectProcessor, openGate, openJobHarness } from '#tools/testing/harness/job.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import type { JobRun } from '../core/ports.ts';
import type { Job } from '../platform/define/job.ts';
import { internalError, permissionMissing, storeUnavailable } from '../platform/errors.ts';
import type { Composed } from './compose.ts';

const database = opened(createTestDatabase);
const harness = opened(() => openJobHarness({ databaseUrl: database.url, redisUrl: testRedisUrl() }));
const producer = partOf(() => harness.producer);
afterEach(() => harness.reset());

type Work = (run: JobRun) => Promise<unknown>;

const startWorker = (work: Work | undefined, job: Job = effectJob): Promise<Composed> =>
  harness.startWorker({
    processors: [work ? run(job as typeof effectJob, (_ports, jobRun) => work(jobRun)) : effectProcessor(job)],
  });

const read = async (ownId: string) => {
  // The state first: what is read after it can only be newer.
  const state = await harness.queue().getJobState(effectJobId(ownId));
  const job = await harness.queue().getJob(effectJobId(ownId));
  return { state, attempts: job?.attemptsMade, reason: job?.failedReason, job: job?.toJSON() };
};
const untilState = (jobId: string, state: string) =>
  eventually(`${jobId} to be ${state}`, async () => {
    const now = await read(jobId);
    return now.state === state && now;
  });
const counted = (outcome: string): number =>
  registry
    .collect()
    .find(({ name }) => name === 'sallyport_jobs')
    ?.series.find(({ labels }) => labels.outcome === outcome && labels.job === effectJob.name)?.value ?? 0;

test('a temporary error is retried with back-off, and the job succeeds', async () => {
  const tries: number[] = [];
  await startWorker(async ({ attempt, fence }) => {
    tries.push(fence.number);
    if (attempt < 3) throw storeUnavailable();
  });
  const before = counted('retried');
  await producer.enqueue(effectJob, {}, { jobId: 'passing' });
  expect(await untilState('passing', 'completed')).toMatchObject({ attempts: 3 });
  // Each try has its own fence: the previous one can no longer write.
  expect([new Set(tries).size, counted('retried') - before]).toEqual([3, 2]);
});

test('a job whose runs may overlap takes no fence', async () => {
  const fences = () => harness.rows`SELECT fence FROM job_fences WHERE job = ${effectJob.name}`;
  const before = await fences();
  await harness.startWorker({ processors: [runUnfenced(effectJob, async () => {})] });
  await producer.enqueue(effectJob, {}, { jobId: 'unfenced' });
  await untilState('unfenced', 'completed');
  expect(await fences()).toEqual(before);
});

test('a permanent error is a dead letter at the first try; so is a job whose tries are used up', async () => {
  const before = counted('dead');
  await startWorker(async ({ jobId }) => {
    throw jobId === effectJobId('refused') ? permissionMissing({ detail: 'secret-detail' }) : internalError();
  });
  await producer.enqueue(effectJob, {}, { jobId: 'refused' });
  await producer.enqueue(effectJob, {}, { jobId: 'exhausted' });
  expect(await untilState('refused', 'failed')).toMatchObject({ attempts: 1, reason: 'permission_missing' });
  expect(await untilState('exhausted', 'failed')).toMatchObject({ attempts: 3, reason: 'internal_error' });
  expect(counted('dead') - before).toBe(2);
});

test('for a failure Redis stores a code or class name, never its message or stack', async () => {
  await startWorker(async () => {
    throw new TypeError('password=hunter2 of demo@sallyport.example');
  });
  await producer.enqueue(effectJob, {}, { jobId: 'leaky' });
  const { job } = await untilState('leaky', 'failed');
  expect(job?.failedReason).toBe('TypeError');
  expect(JSON.stringify(job)).not.toMatch(/hunter2|demo@|node_modules|services\//);
});

test.each([
  ['an unknown name', 'no-such-job', { payload: {}, traceparent: '' }],
  ['a payload of another shape', effectJob.name, { payload: { effect: { $ne: 1 } }, traceparent: '' }],
  ['a payload with a member too many', effectJob.name, { payload: { tenant: 'other' }, traceparent: '' }],
  ['a traceparent that is none', effectJob.name, { payload: {}, traceparent: 'a\nb' }],
  ['no envelope', effectJob.name, 'text' as never],
])('a forged job is set aside without running: %s', async (_what, name, data) => {
  let ran = 0;
  await startWorker(async () => {
    ran += 1;
  });
  await harness.queue().add(name, data, { attempts: 5, jobId: effectJobId('forged') });
  expect(await untilState('forged', 'failed')).toMatchObject({ attempts: 1 });
  expect(ran).toBe(0);
});

test('a job delivered twice has one effect', async () => {
  await startWorker(undefined);
  await producer.enqueue(effectJob, { effect: 'twice' }, { jobId: 'twice' });
  await untilState('twice', 'completed');
  const again = await harness.queue().getJob(effectJobId('twice'));
  await again?.retry('completed');
  await eventually('the second run', async () => {
    const ended = await harness.rows`SELECT 1 FROM ended WHERE effect = 'twice'`;
    return ended.length === 2;
  });
  expect(await harness.rows`SELECT 1 FROM effects WHERE effect = 'twice'`).toHaveLength(1);
});

test('a run belongs to the trace of its requester, and its actor is the job’s name', async () => {
  const seen: JobRun[] = [];
  await startWorker(async (jobRun) => {
    seen.push(jobRun);
  });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  await producer.enqueue(effectJob, {}, { jobId: 'traced', traceparent: `00-${traceId}-b7ad6b7169203331-01` });
  await producer.enqueue(effectJob, {}, { jobId: 'untraced' });
  await untilState('untraced', 'completed');
  const [traced, untraced] = seen.map(({ caller }) => caller);
  expect(traced).toMatchObject({ kind: 'system', name: effectJob.name, request: { traceId, ip: '', userAgent: '' } });
  expect(traced?.request.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-0[01]$`));
  expect(untraced?.request.traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]$/);
});

test('a run past its time limit is aborted and retried with a new fence', async () => {
  const reasons: unknown[] = [];
  const impatient = { ...effectJob, timeoutSeconds: 0.05, attempts: 2 };
  await startWorker(async ({ signal }) => {
    while (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
    reasons.push(signal.reason);
  }, impatient);
  await producer.enqueue(impatient, {}, { jobId: 'slow' });
  expect(await untilState('slow', 'failed')).toMatchObject({ attempts: 2, reason: 'job_timed_out' });
  expect(reasons).toHaveLength(2);
});

test('drain lets the running job finish and takes no other', async () => {
  const worker = await startWorker(undefined);
  await producer.enqueue(effectJob, { effect: 'held while draining' }, { jobId: 'running' });
  await producer.enqueue(effectJob, { effect: 'left for others' }, { jobId: 'waiting' });
  await untilState('running', 'active');
  const drained = worker.drain(60_000);
  await openGate(database.url, 'held while draining');
  await drained;
  expect((await read('running')).state).toBe('completed');
  expect((await read('waiting')).state).toBe('waiting');
});

test('a job aborted at the end of the drain goes back to the queue and loses no try', async () => {
  const worker = await startWorker(undefined);
  await producer.enqueue(effectJob, { effect: 'held for ever' }, { jobId: 'interrupted' });
  await untilState('interrupted', 'active');
  await eventually('the run', async () => {
    return (await harness.rows`SELECT 1 FROM begun WHERE effect = 'held for ever'`).length > 0;
  });
  const before = counted('interrupted');
  await worker.drain(0);
  expect(counted('interrupted') - before).toBe(1);
  expect(await read('interrupted')).toMatchObject({ state: 'waiting', attempts: 0 });
  await startWorker(async () => {});
  expect(await untilState('interrupted', 'completed')).toMatchObject({ attempts: 1 });
});

test('while one waits no second is added under the same name; while one runs, exactly one more is', async () => {
  await startWorker(undefined);
  const wake = { dedupe: 'wake' };
  await producer.enqueue(effectJob, { effect: 'held wake' }, { ...wake, jobId: 'wake-1' });
  await untilState('wake-1', 'active');
  for (let more = 0; more < 5; more += 1) await producer.enqueue(effectJob, { effect: 'woken' }, wake);
  await openGate(database.url, 'held wake');
  await eventually('both', async () => (await harness.queue().getJobCounts('completed')).completed === 2);
  const { wait, active, delayed } = await harness.queue().getJobCounts('wait', 'active', 'delayed');
  expect([wait, active, delayed]).toEqual([0, 0, 0]);
  expect(await harness.rows`SELECT 1 FROM effects WHERE effect = 'woken'`).toHaveLength(1);
});

test('jobs of one queue run one after the other, across all workers', async () => {
  let inside = 0;
  let most = 0;
  const work: Work = async () => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setTimeout(resolve, 5));
    inside -= 1;
  };
  await startWorker(work);
  await startWorker(work);
  await Promise.all(Array.from({ length: 30 }, (_, at) => producer.enqueue(effectJob, {}, { jobId: `serial-${at}` })));
  await eventually('all', async () => (await harness.queue().getJobCounts('completed')).completed === 30);
  expect(most).toBe(1);
});
