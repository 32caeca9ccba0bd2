import { expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { opened, partOf } from '#tools/testing/opened.ts';

const harness = opened(() => startProductHarness({ WORKER_COPIES: '1' }));
const product = partOf(() => harness.product);

test('a start runs a worker that does its scheduled jobs, exports their metrics, and stops after the API with code 0', async () => {
  expect(product.ready.pids).toMatchObject({ worker: expect.any(Number) });
  const [row] = await eventually('the first scheduled run', async () => {
    const rows = await queryRows(product.credentials.database_url)`
      SELECT job, last_outcome, round(extract(epoch FROM next_run_at - last_finished_at))::int AS pause
      FROM job_schedules
      WHERE job = 'clean-up-expired-tokens' AND last_outcome IS NOT NULL`;
    return rows.length > 0 && rows;
  });
  expect(row).toMatchObject({ last_outcome: 'completed', pause: 300 });
  const run = `sallyport_jobs_total{process="worker-1",queue="token-cleanup",job="clean-up-expired-tokens",outcome="completed"} 1`;
  const metrics = await (await fetch(product.metrics)).text();
  expect(metrics).toContain(run);
  expect(metrics).toContain('sallyport_worker_healthy{process="worker-1"} 1');
  const health = await fetch(product.metrics.replace(/\/metrics$/, '/healthz'));
  expect([health.status, await health.json()]).toEqual([
    200,
    { status: 'ok', processes: { 'worker-1': { status: 'ok', reasons: [] } } },
  ]);
  expect(await product.stop()).toBe(0);
  expect(product.output()).not.toMatch(/did not drain|killing/);
});
