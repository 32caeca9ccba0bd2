import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { effectJobId, type JobHarness, openJobHarness } from '#tools/testing/harness/job.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';

const TWO_DAYS_MS = 2 * 86_400_000;

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
  await harness.rows('UPDATE job_schedules SET next_run_at = to_timestamp($1::float8 / 1000)', [slot]);
  await harness.queue().add('seal-audit-events', delayed?.data ?? { payload: {} }, {
    jobId: effectJobId(String(slot)),
    delay: TWO_DAYS_MS,
  });
  await harness.untilBegun(2);
});
