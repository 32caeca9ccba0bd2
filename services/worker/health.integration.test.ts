import { afterEach, expect, test } from 'vitest';
import { serveMetrics } from '#observability/metrics/server.ts';
import { eventually } from '#tools/testing/eventually.ts';
import {
  effectJob,
  effectProcessor,
  openGate,
  openJobHarness,
  scheduledEffectJob,
} from '#tools/testing/harness/job.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import type { Composed } from './compose.ts';

const ownRedisUrl = testRedisUrl();
const database = opened(createTestDatabase);
const proxy = opened(() => startTcpProxy(ownRedisUrl));
const harness = opened(() => openJobHarness({ databaseUrl: database.url, redisUrl: ownRedisUrl }));
afterEach(() => harness.reset());

const startWorker = (job = effectJob): Promise<Composed> =>
  harness.startWorker({ redisUrl: proxy.url, processors: [effectProcessor(job)], env: { QUEUE_STALL_SECONDS: '1' } });

const untilReason = (worker: Composed, pattern: RegExp) =>
  eventually(`a reason like ${pattern}`, () => worker.health.read().reasons.some((reason) => pattern.test(reason)));
const untilOk = (worker: Composed) => eventually('health', () => worker.health.read().status === 'ok');

test('waiting jobs that are not taken make a worker unhealthy, until they move', async () => {
  const worker = await startWorker();
  await untilOk(worker);
  await harness.queue().pause();
  await harness.producer.enqueue(effectJob, { effect: 'stuck' });
  await untilReason(worker, /^audit-seal: jobs wait and no worker takes them$/);
  await harness.queue().resume();
  await untilOk(worker);
});

test('a long job with others behind it is no stall', async () => {
  const worker = await startWorker();
  await harness.producer.enqueue(effectJob, { effect: 'held long' });
  await harness.producer.enqueue(effectJob, { effect: 'behind it' });
  const oldest = async () => (await harness.queue().getJobs(['wait'], 0, 0, true))[0]?.timestamp;
  await eventually('a wait past the bound', async () => Date.now() - ((await oldest()) ?? Date.now()) > 1_500);
  expect(worker.health.read()).toEqual({ status: 'ok', reasons: [] });
  await openGate(database.url, 'held long');
});

test('Redis silent past the limit is a stall, which ends when it is back', async () => {
  const worker = await startWorker();
  await untilOk(worker);
  await proxy.cut();
  await untilReason(worker, /^audit-seal: Redis is unreachable$/);
  await proxy.restore();
  await untilOk(worker);
});

test('a schedule without a success in time is a stall', async () => {
  const worker = await startWorker(scheduledEffectJob as typeof effectJob);
  await eventually('the first run', async () => {
    const rows = await harness.rows`SELECT 1 FROM job_schedules WHERE last_succeeded_at IS NOT NULL`;
    return rows.length > 0;
  });
  await harness.rows`UPDATE job_schedules SET last_succeeded_at = now() - interval '1 day'`;
  await untilReason(worker, /^seal-audit-events: no successful run in time$/);
});

test('GET /healthz reports it beside the metrics: 200, or 503 with the reasons', async () => {
  let ok = true;
  const server = await serveMetrics({ health: () => ({ ok, body: { status: ok ? 'ok' : 'stalled', reasons: [] } }) });
  const ask = async () => {
    const answer = await fetch(`http://127.0.0.1:${server.port}/healthz`);
    return [answer.status, await answer.json()];
  };
  expect(await ask()).toEqual([200, { status: 'ok', reasons: [] }]);
  ok = false;
  expect(await ask()).toEqual([503, { status: 'stalled', reasons: [] }]);
  expect((await fetch(`http://127.0.0.1:${server.port}/metrics`)).status).toBe(200);
  await server.close();
});
