import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROMETHEUS_CONTENT_TYPE } from '#observability/metrics/prometheus.ts';
import { listenForMetrics } from './metrics-server.ts';

let server: Awaited<ReturnType<typeof listenForMetrics>>;
let url: string;
let scrapes = 0;

beforeAll(async () => {
  server = await listenForMetrics(0, [], {
    host: '127.0.0.1',
    sources: () => {
      scrapes += 1;
      return [];
    },
    restarts: () => new Map([['api-1', 2]]),
  });
  url = `http://127.0.0.1:${server.port}/metrics`;
});
afterAll(() => server.close());

test('HEAD answers the headers of GET and queries no process', async () => {
  const head = await fetch(url, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-type')]).toEqual([200, PROMETHEUS_CONTENT_TYPE]);
  expect(scrapes).toBe(0);
  const answer = await fetch(url);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, PROMETHEUS_CONTENT_TYPE]);
  expect(await answer.text()).toContain('sallyport_child_restarts_total{process="api-1"} 2\n');
  expect(scrapes).toBe(1);
});

test('another method is 405 with the allowed ones, another address 404', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const refused = await fetch(url, { method });
    expect([method, refused.status, refused.headers.get('allow')]).toEqual([method, 405, 'GET, HEAD']);
  }
  expect((await fetch(url.replace('/metrics', '/'))).status).toBe(404);
});
