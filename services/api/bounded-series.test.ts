import { randomBytes, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { z } from 'zod';
import '#tools/catalog/metrics.ts';
import { httpMetrics } from '#observability/metrics/http.ts';
import { registry } from '#observability/metrics/instruments.ts';
import { renderPrometheus } from '#observability/metrics/prometheus.ts';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { defineEndpoint } from '../platform/define/endpoint.ts';
import { createApp } from './app.ts';
import { bind } from './bind.ts';
import { createCallerResolver } from './requests/caller.ts';
import { rejectsAll } from './route-harness.ts';

const COUNT = 10_000;
const random = (): string => randomBytes(9).toString('base64url');

/** Lines of the exposition, buckets included: the series that a metrics store keeps. */
const seriesCount = (): number =>
  renderPrometheus(registry.collect())
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#')).length;

test('10,000 random users and paths create fewer than 2,000 metric series, and the second half none', async () => {
  const app = createApp({ log: quietLog, trustedProxies: [] });
  const callers = createCallerResolver(rejectsAll);
  const read = defineEndpoint({
    method: 'GET',
    path: '/v1/users/{id}',
    operation: 'readUser',
    summary: 'One person.',
    tag: 'Users',
    auth: 'public',
    params: z.strictObject({ id: z.string().max(64) }),
    responses: { 200: z.object({ id: z.string() }) },
  });
  bind({ app: app.fastify, callers, bound: app.bound }, read, ({ params }) => params);
  httpMetrics.registerRoutes(app.bound.map(({ path }) => path));
  await app.fastify.ready();
  const methods = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD'] as const;
  const one = async (index: number): Promise<void> => {
    const headers = { 'user-agent': random(), origin: `https://${random()}.test`, authorization: `Bearer ${random()}` };
    const isKnown = index % 2 === 0;
    const method = isKnown ? 'GET' : methods[index % methods.length]!;
    const url = isKnown ? `/v1/users/${randomUUID()}` : `/${random()}/${random()}?${random()}=1`;
    await app.fastify.inject({ method, url, headers });
  };
  const run = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += 100)
      await Promise.all(Array.from({ length: 100 }, (_, index) => one(done + index)));
  };
  await run(COUNT / 2);
  const half = seriesCount();
  await run(COUNT / 2);
  expect(seriesCount()).toBe(half);
  expect(half).toBeLessThan(2_000);
  const counted = registry
    .collect()
    .find(({ name }) => name === 'http_server_request_duration_seconds')
    ?.series.map(({ counts = [] }) => counts.reduce((sum, count) => sum + count, 0))
    .reduce((sum, count) => sum + count, 0);
  expect(counted).toBe(COUNT);
  await app.fastify.close();
});

test('no metric has a label that accepts values outside its list', () => {
  for (const { name, labels } of registry.list())
    for (const [label, values] of Object.entries(labels)) {
      expect([name, label, label]).not.toEqual([
        name,
        label,
        expect.stringMatching(/user|email|token|path|url|address|ip$|agent/),
      ]);
      // Null: fixed at start, from the table of routes or of jobs.
      expect([name, label, values === null || values.length < 100]).toEqual([name, label, true]);
    }
});
