import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { run } from '#services/core/processor.ts';
import type { Composed } from '#services/worker/compose.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { type effectJob, effectProcessor, openJobHarness, scheduledEffectJob } from '#tools/testing/harness/job.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import type { Job } from '../define/job.ts';

const database = opened(createTestDatabase);
const harness = opened(() => openJobHarness({ databaseUrl: database.url, redisUrl: testRedisUrl() }));
afterEach(() => harness.reset());

const startWorker = (job: Job = scheduledEffectJob): Promise<Composed> =>
  harness.startWorker({ processors: [effectProcessor(job)] });
const queue = () => harness.queue();
const shift = (interval: string) =>
  harness.rows(`UPDATE job_schedules SET next_run_at = next_run_at + interval '${interval}'`);

test('several workers share one timetable: each slot runs once, and one next run waits', async () => {
  await Promise.all([startWorker(), startWorker(), startWorker()]);
  await harness.untilEffects(1);
  await harness.untilPlaced();
  await harness.afterChecks(3);
  expect(await harness.begun()).toBe(1);
  expect(await harness.schedules()).toHaveLength(1);
  expect(await queue().getJobCounts('wait', 'active', 'delayed')).toMatchObject({ wait: 0, active: 0, delayed: 1 });
});

test('a slot that has run is not run again if it is added again', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  const jobId = `seal-audit-events-${Date.now() - 5_000}`;
  await queue().add('seal-audit-events', { payload: {}, traceparent: '' }, { jobId });
  await eventually('its end', async () => ['completed', 'unknown'].includes(await queue().getJobState(jobId)));
  expect(await harness.begun()).toBe(1);
});

test('a database clock two days ahead causes one immediate run, then the usual interval', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  // After the clock step the next run is two days overdue.
  await shift('-2 days');
  await harness.untilEffects(2);
  const row = await harness.untilPlaced();
  await harness.afterChecks(3);
  expect(await harness.begun()).toBe(2);
  expect(row.due_in_ms).toBeGreaterThan(0);
});

test('a database clock two days back does not delay the next run by two days, and no run is early', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  await shift('2 days');
  await eventually('the row', async () => {
    const [row] = await harness.schedules();
    return row !== undefined && row.due_in_ms <= 3_600_000;
  });
  await harness.afterChecks(3);
  expect(await harness.begun()).toBe(1);
});

test('a run that a clock step delays in Redis is released when the database clock says it is due', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  const slot = Date.now() - 5_000;
  await queue().add(
    'seal-audit-events',
    { payload: {}, traceparent: '' },
    { jobId: `seal-audit-events-${slot}`, delay: 2 * 86_400_000 },
  );
  await harness.rows`UPDATE job_schedules SET next_run_at = to_timestamp(${slot}::float8 / 1000)`;
  await harness.untilEffects(2);
});

test('a scheduled run that becomes a dead letter is recorded, and the next run is scheduled', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  const slot = Date.now() - 5_000;
  await queue().add('seal-audit-events', 'forged' as never, { jobId: `seal-audit-events-${slot}` });
  await harness.rows`UPDATE job_schedules SET next_run_at = to_timestamp(${slot}::float8 / 1000)`;
  const row = await eventually('the note', async () => {
    const placed = await harness.untilPlaced();
    return placed.last_outcome === 'dead' && placed;
  });
  expect(row.due_in_ms).toBeGreaterThan(0);
  expect(await harness.begun()).toBe(1);
});

test('a scheduled run that fails for good is a state of its schedule, which the next success ends, and no dead letter', async () => {
  let fails = true;
  const failing = run(scheduledEffectJob as typeof effectJob, async () => {
    if (fails) throw new Error('an outage');
  });
  await harness.startWorker({ processors: [failing] });
  await eventually('the failed run', async () => (await harness.untilPlaced()).last_outcome === 'dead');
  expect(await queue().getFailedCount()).toBe(0);
  fails = false;
  await harness.makeDue();
  await eventually('its success', async () => (await harness.untilPlaced()).last_outcome === 'completed');
  expect(await queue().getFailedCount()).toBe(0);
});

test('a job without a contract is removed from timetable and Redis, and its due run does not become a dead letter', async () => {
  const [next, due] = [Date.now() + 3_600_000, Date.now() - 1_000];
  const add = (slot: number, delay: number) =>
    queue().add('gone', { payload: {}, traceparent: '' }, { jobId: `gone-${slot}`, delay });
  await add(next, 3_600_000);
  await add(due, 0);
  await harness.rows`INSERT INTO job_schedules (job, queue, every_seconds, next_run_at, declared_at)
    VALUES ('gone', 'audit-seal', 3600, to_timestamp(${next}::float8 / 1000), now() - interval '1 hour')`;
  await startWorker();
  await eventually('the removal from the timetable', async () =>
    (await harness.schedules()).every(({ job }) => job !== 'gone'),
  );
  expect(await queue().getJobState(`gone-${next}`)).toBe('unknown');
  await eventually('the run that was due', async () => (await queue().getJobState(`gone-${due}`)) === 'completed');
  expect(await queue().getFailedCount()).toBe(0);
});

test('a shorter interval applies from the next check on', async () => {
  const first = await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  await first.drain(5_000);
  await startWorker({ ...scheduledEffectJob, schedule: { everySeconds: 1 } });
  await harness.untilEffects(3);
});

test('the check logs an unreachable Postgres once, and continues afterwards', async () => {
  const warnings: string[] = [];
  const say = (): void => {};
  let calls = 0;
  // Accepts the connection and closes it, like a server that shuts down.
  const server = createServer((socket) => {
    calls += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await harness.startWorker({
    databaseUrl: `postgresql://absent@127.0.0.1:${(server.address() as AddressInfo).port}/none`,
    processors: [effectProcessor(scheduledEffectJob)],
    log: { debug: say, info: say, error: say, warn: (_fields, message) => void warnings.push(message) },
  });
  // Other parts of the worker use Postgres only at its start; afterwards only the timetable retries.
  await eventually('many tries', () => calls > 20);
  expect(warnings.filter((text) => text.includes('schedule reconciliation failed'))).toHaveLength(1);
  await harness.reset();
  server.close();
});
