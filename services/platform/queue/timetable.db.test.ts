import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { queueNames } from '../../../observability/metrics/queue.ts';
import type { Composed } from '../../worker/compose.ts';
import type { Job } from '../define/job.ts';
import { composeWorker, createEffectTables, effectProcessor, scheduledEffectJob } from '../testing/job-world.ts';
import { createTestPorts, type TestPorts } from '../testing/ports.ts';
import { eventually, queryRows } from '../testing/product.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../testing/stores.ts';
import { createProducer, type Producer } from './producer.ts';
import { readSchedules } from './schedule-rows.ts';

let database: TestDatabase;
let producer: Producer;
let ports: TestPorts;
const redisUrl = testRedisUrl();
const running: Composed[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  await createEffectTables(database.url);
  ports = createTestPorts(database.url);
  producer = createProducer(redisUrl, () => {});
  await eventually('redis', () => producer.isReady());
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((worker) => worker.drain(5_000)));
  for (const name of queueNames) await producer.queue(name).obliterate({ force: true });
  await queryRows(database.url, 'TRUNCATE job_schedules, effects, begun, ended, gates');
});
afterAll(async () => {
  await producer?.close();
  await ports?.end();
  await database?.drop();
});

async function startWorker(...jobs: readonly Job[]): Promise<Composed> {
  const processors = (jobs.length === 0 ? [scheduledEffectJob] : jobs).map(effectProcessor);
  const worker = composeWorker({ databaseUrl: database.url, redisUrl, processors });
  running.push(worker);
  await worker.start();
  return worker;
}

const runs = async (): Promise<number> => (await queryRows(database.url, 'SELECT 1 FROM begun')).length;
const untilRuns = (count: number) => eventually(`run ${count}`, async () => (await runs()) >= count);
const queue = () => producer.queue('audit-seal');
const untilPlaced = () =>
  eventually('the next run in Redis', async () => {
    const [row] = await readSchedules(ports.sql);
    const job = row && (await queue().getJob(`seal-audit-events-${row.nextRunAtMs}`));
    return row && (await job?.getState()) === 'delayed' ? { row, job } : undefined;
  });
/** Some checks of the timetable later: what would happen by mistake has had its chance. */
const afterChecks = async (): Promise<void> => {
  const declared = async () =>
    (await queryRows<{ at: Date }>(database.url, 'SELECT max(declared_at) AS at FROM job_schedules'))[0]?.at.getTime();
  for (let checks = 0; checks < 3; checks += 1) {
    const before = await declared();
    await eventually('a check', async () => (await declared()) !== before);
  }
};
const shift = (interval: string) =>
  queryRows(database.url, `UPDATE job_schedules SET next_run_at = next_run_at + interval '${interval}'`);

test('any number of workers keep one timetable: a slot runs once, and one next run waits', async () => {
  await Promise.all([startWorker(), startWorker(), startWorker()]);
  await untilRuns(1);
  await untilPlaced();
  await afterChecks();
  expect(await runs()).toBe(1);
  expect(await readSchedules(ports.sql)).toHaveLength(1);
  expect(await queue().getJobCounts('wait', 'active', 'delayed')).toMatchObject({ wait: 0, active: 0, delayed: 1 });
});

test('a slot that is over and placed again is not run again', async () => {
  await startWorker();
  await untilRuns(1);
  await untilPlaced();
  const jobId = `seal-audit-events-${Date.now() - 5_000}`;
  await queue().add('seal-audit-events', { payload: {}, traceparent: '' }, { jobId });
  await eventually('its end', async () => ['completed', 'unknown'].includes(await queue().getJobState(jobId)));
  expect(await runs()).toBe(1);
});

test('the database two days ahead: one run at once, then the ordinary pace', async () => {
  await startWorker();
  await untilRuns(1);
  await untilPlaced();
  // What is due at 12 is two days overdue when the clock says so.
  await shift('-2 days');
  await untilRuns(2);
  const { row } = await untilPlaced();
  await afterChecks();
  expect(await runs()).toBe(2);
  expect(row.dueInMs).toBeGreaterThan(0);
});

test('the database two days back: the next run is drawn near instead of waiting two days, and none runs early', async () => {
  await startWorker();
  await untilRuns(1);
  await untilPlaced();
  await shift('2 days');
  await eventually('the row', async () => {
    const [row] = await readSchedules(ports.sql);
    return row !== undefined && row.dueInMs <= 3_600_000;
  });
  await afterChecks();
  expect(await runs()).toBe(1);
});

test('a run that sits in Redis behind a stepped clock is let go when the database says it is due', async () => {
  await startWorker();
  await untilRuns(1);
  await untilPlaced();
  const slot = Date.now() - 5_000;
  await queue().add(
    'seal-audit-events',
    { payload: {}, traceparent: '' },
    { jobId: `seal-audit-events-${slot}`, delay: 2 * 86_400_000 },
  );
  await queryRows(database.url, 'UPDATE job_schedules SET next_run_at = to_timestamp($1::float8 / 1000)', [slot]);
  await untilRuns(2);
});

test('a scheduled run that ended as a dead letter is noted, and the next one is in place', async () => {
  await startWorker();
  await untilRuns(1);
  await untilPlaced();
  const slot = Date.now() - 5_000;
  await queue().add('seal-audit-events', 'forged' as never, { jobId: `seal-audit-events-${slot}` });
  await queryRows(database.url, 'UPDATE job_schedules SET next_run_at = to_timestamp($1::float8 / 1000)', [slot]);
  const { row } = await eventually('the note', async () => {
    const placed = await untilPlaced();
    return placed.row.lastOutcome === 'dead' && placed;
  });
  expect(row.dueInMs).toBeGreaterThan(0);
  expect(await runs()).toBe(1);
});

test('a job that no contract holds any more leaves the timetable and Redis; a run of it that was due is no dead letter', async () => {
  const [next, due] = [Date.now() + 3_600_000, Date.now() - 1_000];
  const add = (slot: number, delay: number) =>
    queue().add('gone', { payload: {}, traceparent: '' }, { jobId: `gone-${slot}`, delay });
  await add(next, 3_600_000);
  await add(due, 0);
  await queryRows(
    database.url,
    `INSERT INTO job_schedules (job, queue, every_seconds, next_run_at, declared_at)
     VALUES ('gone', 'audit-seal', 3600, to_timestamp($1::float8 / 1000), now() - interval '1 hour')`,
    [next],
  );
  await startWorker();
  await eventually('the end of it', async () => (await readSchedules(ports.sql)).every(({ job }) => job !== 'gone'));
  expect(await queue().getJobState(`gone-${next}`)).toBe('unknown');
  await eventually('the run that was due', async () => (await queue().getJobState(`gone-${due}`)) === 'completed');
  expect(await queue().getFailedCount()).toBe(0);
});

test('a shorter interval counts from the next check on', async () => {
  const first = await startWorker();
  await untilRuns(1);
  await untilPlaced();
  await first.drain(5_000);
  running.splice(0);
  await startWorker({ ...scheduledEffectJob, schedule: { everySeconds: 1 } });
  await untilRuns(3);
});

test('without Postgres nothing is lost: the check says so once and goes on', async () => {
  const warnings: string[] = [];
  const say = (): void => {};
  const worker = composeWorker({
    databaseUrl: 'postgresql://nobody@127.0.0.1:1/none',
    redisUrl,
    processors: [effectProcessor(scheduledEffectJob)],
    log: { debug: say, info: say, error: say, warn: (_fields, message) => void warnings.push(message) },
  });
  running.push(worker);
  await worker.start();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(warnings.filter((text) => text.includes('timetable'))).toHaveLength(1);
});
