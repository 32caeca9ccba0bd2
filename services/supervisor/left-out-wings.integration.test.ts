import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { jobsOf, scheduledJobs } from '#jobs/schedules.ts';
import { WINGS } from '#services/platform/config/wings.ts';
import { collectEndpoints } from '#tools/catalog/collect.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { type Product, startProductHarness } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const leftOutEndpoints = await collectEndpoints('wings');
const ALL = { WORKER_COPIES: '1', MCP_COPIES: '1' };

const harness = opened(() => startProductHarness({ ...ALL, SALLYPORT_LEAVE_OUT: WINGS.join(',') }));

/** The memory of all processes, pages that several share counted in part, MB. */
const memoryOf = ({ ready: { pids }, supervisorPid }: Product): number =>
  [supervisorPid, ...Object.values(pids)].reduce(
    (sum, pid) => sum + Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1_000,
    0,
  );

test.runIf(process.platform === 'linux')('idle, it takes less memory than with all wings', async () => {
  const whole = await startProductHarness(ALL);
  onTestFinished(() => whole.close());
  await sleep(3_000);
  expect(memoryOf(harness.product)).toBeLessThan(memoryOf(whole.product));
});

test('their paths answer like unknown ones, and the API description does not have them', async () => {
  const { product, operations } = harness;
  expect(leftOutEndpoints.length).toBeGreaterThan(100);
  const unknown = await send(product.api, 'GET', '/v1/nothing');
  for (const { method, path } of leftOutEndpoints) {
    const { status, body } = await send(product.api, method, path.replaceAll(/\{\w+\}/g, 'x'));
    expect([method, path, status, body?.code]).toEqual([method, path, unknown.status, unknown.body.code]);
  }
  const described = operations.map(({ path }) => path);
  expect(leftOutEndpoints.filter(({ path }) => described.includes(path))).toEqual([]);
});

test('their jobs and processes do not exist', async () => {
  const { product, databaseUrl } = harness;
  expect(product.ready.mcp).toBeUndefined();
  expect(Object.keys(product.ready.pids).sort()).toEqual(['api', 'worker']);
  const wanted = scheduledJobs.filter((job) => jobsOf({ leftOut: WINGS }).includes(job)).map(({ name }) => name);
  const rows = await eventually('the schedule', async () => {
    const found = await queryRows(databaseUrl)<{ job: string }>`SELECT job FROM job_schedules ORDER BY job`;
    return found.length > 0 && found;
  });
  expect(rows.map(({ job }) => job)).toEqual([...wanted].sort());
  expect(wanted.length).toBeLessThan(scheduledJobs.length - 5);
});
