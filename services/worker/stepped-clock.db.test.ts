import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { repositoryRoot } from '../platform/local/data-dir.ts';
import { createProducer, type Producer } from '../platform/queue/producer.ts';
import { readSchedules } from '../platform/queue/schedule-rows.ts';
import { createEffectTables } from '../platform/testing/job-world.ts';
import { createTestPorts, type TestPorts } from '../platform/testing/ports.ts';
import { eventually, queryRows } from '../platform/testing/product.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../platform/testing/stores.ts';

const TWO_DAYS_MS = 2 * 86_400_000;

let database: TestDatabase;
let producer: Producer;
let ports: TestPorts;
const redisUrl = testRedisUrl();
const workers: ChildProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  await createEffectTables(database.url);
  ports = createTestPorts(database.url);
  producer = createProducer(redisUrl, () => {});
  await producer.ready(30_000);
});
afterEach(async () => {
  for (const worker of workers.splice(0)) {
    worker.kill('SIGKILL');
    if (worker.exitCode === null && worker.signalCode === null) await new Promise((done) => worker.once('exit', done));
  }
  await producer.queue('audit-seal').obliterate({ force: true });
  await queryRows(database.url, 'TRUNCATE job_schedules, effects, begun, ended');
});
afterAll(async () => {
  await producer?.close();
  await ports?.end();
  await database?.drop();
});

async function startWorker(clockStepMs: number): Promise<void> {
  const worker = fork(new URL('../platform/testing/job-worker.ts', import.meta.url), {
    execPath: join(repositoryRoot, 'node_modules/.bin/node'),
    env: {
      ...process.env,
      DATABASE_URL: database.url,
      REDIS_URL: redisUrl,
      SCHEDULED: '1',
      CLOCK_STEP_MS: String(clockStepMs),
    },
  });
  workers.push(worker);
  await new Promise((ready) => worker.once('message', ready));
}

const runs = async (): Promise<number> => (await queryRows(database.url, 'SELECT 1 FROM begun')).length;
const makeDue = () => queryRows(database.url, 'UPDATE job_schedules SET next_run_at = clock_timestamp()');
const lastOutcome = async () => (await readSchedules(ports.sql))[0]?.lastOutcome;

/** So many checks of the timetable later: a storm would have shown itself. */
async function afterChecks(count: number): Promise<void> {
  const declared = async () =>
    (await queryRows<{ at: Date }>(database.url, 'SELECT max(declared_at) AS at FROM job_schedules'))[0]?.at.getTime();
  for (let checks = 0; checks < count; checks += 1) {
    const before = await declared();
    await eventually('a check', async () => (await declared()) !== before);
  }
}

test.each([
  ['one worker two days ahead', [TWO_DAYS_MS]],
  ['one worker two days back', [-TWO_DAYS_MS]],
  ['one ahead beside one that is right', [0, TWO_DAYS_MS]],
  ['one back beside one that is right', [0, -TWO_DAYS_MS]],
  ['one ahead beside one back', [TWO_DAYS_MS, -TWO_DAYS_MS]],
])('%s: each slot runs once, when the database says that it is due', async (_what, steps) => {
  for (const step of steps) await startWorker(step);
  await eventually('the first run', async () => (await lastOutcome()) === 'completed');
  await afterChecks(10);
  expect(await runs()).toBe(1);
  await makeDue();
  await eventually('the second run', async () => (await runs()) >= 2);
  await afterChecks(10);
  expect(await runs()).toBe(2);
});

test('a clock set right again: a run placed two days ahead still comes when it is due', async () => {
  await startWorker(TWO_DAYS_MS);
  await eventually('the first run', async () => (await lastOutcome()) === 'completed');
  await afterChecks(2);
  for (const worker of workers.splice(0)) worker.kill('SIGKILL');
  await startWorker(0);
  // The same slot, due now: its job in Redis is not before the day after tomorrow.
  const [row] = await readSchedules(ports.sql);
  const [delayed] = await producer.queue('audit-seal').getDelayed();
  expect(delayed?.id).toBe(`seal-audit-events-${row?.nextRunAtMs}`);
  const slot = Date.now() - 60_000;
  await queryRows(database.url, 'UPDATE job_schedules SET next_run_at = to_timestamp($1::float8 / 1000)', [slot]);
  await producer.queue('audit-seal').add('seal-audit-events', delayed?.data ?? { payload: {} }, {
    jobId: `seal-audit-events-${slot}`,
    delay: TWO_DAYS_MS,
  });
  await eventually('the second run', async () => (await runs()) >= 2);
});
