import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Composed } from '#services/worker/compose.ts';
import { eventually } from '#testing/eventually.ts';
import { effectProcessor, type JobHarness, openJobHarness, scheduledEffectJob } from '#testing/harness/job.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '#testing/harness/stores.ts';
import type { Job } from '../define/job.ts';

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

const startWorker = (job: Job = scheduledEffectJob): Promise<Composed> =>
  harness.startWorker({ processors: [effectProcessor(job)] });
const queue = () => harness.queue();
const shift = (interval: string) =>
  harness.rows(`UPDATE job_schedules SET next_run_at = next_run_at + interval '${interval}'`);

test('any number of workers keep one timetable: a slot runs once, and one next run waits', async () => {
  await Promise.all([startWorker(), startWorker(), startWorker()]);
  await harness.untilEffects(1);
  await harness.untilPlaced();
  await harness.afterChecks(3);
  expect(await harness.begun()).toBe(1);
  expect(await harness.schedules()).toHaveLength(1);
  expect(await queue().getJobCounts('wait', 'active', 'delayed')).toMatchObject({ wait: 0, active: 0, delayed: 1 });
});

test('a slot that is over and placed again is not run again', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  const jobId = `seal-audit-events-${Date.now() - 5_000}`;
  await queue().add('seal-audit-events', { payload: {}, traceparent: '' }, { jobId });
  await eventually('its end', async () => ['completed', 'unknown'].includes(await queue().getJobState(jobId)));
  expect(await harness.begun()).toBe(1);
});

test('the database two days ahead: one run at once, then the ordinary pace', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  // What is due at 12 is two days overdue when the clock says so.
  await shift('-2 days');
  await harness.untilEffects(2);
  const row = await harness.untilPlaced();
  await harness.afterChecks(3);
  expect(await harness.begun()).toBe(2);
  expect(row.dueInMs).toBeGreaterThan(0);
});

test('the database two days back: the next run is drawn near instead of waiting two days, and none runs early', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  await shift('2 days');
  await eventually('the row', async () => {
    const [row] = await harness.schedules();
    return row !== undefined && row.dueInMs <= 3_600_000;
  });
  await harness.afterChecks(3);
  expect(await harness.begun()).toBe(1);
});

test('a run that sits in Redis behind a stepped clock is let go when the database says it is due', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  const slot = Date.now() - 5_000;
  await queue().add(
    'seal-audit-events',
    { payload: {}, traceparent: '' },
    { jobId: `seal-audit-events-${slot}`, delay: 2 * 86_400_000 },
  );
  await harness.rows('UPDATE job_schedules SET next_run_at = to_timestamp($1::float8 / 1000)', [slot]);
  await harness.untilEffects(2);
});

test('a scheduled run that ended as a dead letter is noted, and the next one is in place', async () => {
  await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  const slot = Date.now() - 5_000;
  await queue().add('seal-audit-events', 'forged' as never, { jobId: `seal-audit-events-${slot}` });
  await harness.rows('UPDATE job_schedules SET next_run_at = to_timestamp($1::float8 / 1000)', [slot]);
  const row = await eventually('the note', async () => {
    const placed = await harness.untilPlaced();
    return placed.lastOutcome === 'dead' && placed;
  });
  expect(row.dueInMs).toBeGreaterThan(0);
  expect(await harness.begun()).toBe(1);
});

test('a job that no contract holds any more leaves the timetable and Redis; a run of it that was due is no dead letter', async () => {
  const [next, due] = [Date.now() + 3_600_000, Date.now() - 1_000];
  const add = (slot: number, delay: number) =>
    queue().add('gone', { payload: {}, traceparent: '' }, { jobId: `gone-${slot}`, delay });
  await add(next, 3_600_000);
  await add(due, 0);
  await harness.rows(
    `INSERT INTO job_schedules (job, queue, every_seconds, next_run_at, declared_at)
     VALUES ('gone', 'audit-seal', 3600, to_timestamp($1::float8 / 1000), now() - interval '1 hour')`,
    [next],
  );
  await startWorker();
  await eventually('the end of it', async () => (await harness.schedules()).every(({ job }) => job !== 'gone'));
  expect(await queue().getJobState(`gone-${next}`)).toBe('unknown');
  await eventually('the run that was due', async () => (await queue().getJobState(`gone-${due}`)) === 'completed');
  expect(await queue().getFailedCount()).toBe(0);
});

test('a shorter interval counts from the next check on', async () => {
  const first = await startWorker();
  await harness.untilEffects(1);
  await harness.untilPlaced();
  await first.drain(5_000);
  await startWorker({ ...scheduledEffectJob, schedule: { everySeconds: 1 } });
  await harness.untilEffects(3);
});

test('without Postgres nothing is lost: the check says so once and goes on', async () => {
  const warnings: string[] = [];
  const say = (): void => {};
  let calls = 0;
  // Takes the call and hangs up, as a server that is going down.
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
  // Others of the worker ask at its start alone; from then on it is the timetable that goes on trying.
  await eventually('many tries', () => calls > 20);
  expect(warnings.filter((text) => text.includes('schedule reconciliation failed'))).toHaveLength(1);
  await harness.reset();
  server.close();
});
