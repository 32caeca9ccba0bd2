import { expect, test } from 'vitest';
import { Samples } from './samples.ts';

const start = Date.parse('2026-01-01T00:00:00Z');
const point = (metric: string, second: number, value: number, tags: Record<string, string>): string =>
  `${JSON.stringify({
    metric,
    type: 'Point',
    data: { time: new Date(start + second * 1_000).toISOString(), value, tags },
  })}\n`;
const request = (second: number, ms: number, op = 'validate'): string =>
  point('http_req_duration', second, ms, { op, name: op, group: '' });

test('latencies are kept by operation and interval, however the lines are cut into chunks', () => {
  const text = [request(0, 1), request(0.5, 3), request(1, 10), request(0, 5, 'issue'), request(9, 7)].join('');
  for (const size of [1, 7, text.length]) {
    const samples = new Samples(1);
    for (let at = 0; at < text.length; at += size) samples.add(text.slice(at, at + size));
    const { validate, issue } = samples.finish();
    expect(validate?.intervals).toEqual([
      { second: 0, count: 2, p50Ms: 1, p99Ms: 3 },
      { second: 1, count: 1, p50Ms: 10, p99Ms: 10 },
      { second: 9, count: 1, p50Ms: 7, p99Ms: 7 },
    ]);
    expect(validate?.latency).toMatchObject({ count: 4, maxMs: 10 });
    expect(issue?.latency.count).toBe(1);
    expect(samples.p99Ms).toBeGreaterThanOrEqual(10);
  }
});

test('an answer that comes seconds late counts in its own interval', () => {
  const samples = new Samples(1);
  samples.add(request(0, 1) + request(3, 1) + request(0.2, 9));
  expect(samples.finish().validate?.intervals[0]).toEqual({ second: 0, count: 2, p50Ms: 1, p99Ms: 9 });
});

test('answers are counted by code, dropped iterations are summed, and requests of the setup are not load', () => {
  const samples = new Samples(1);
  samples.add(point('answers', 0, 1, { op: 'issue', code: '201', group: '' }));
  samples.add(point('answers', 0, 1, { op: 'issue', code: '503 store_unavailable', group: '' }));
  samples.add(point('answers', 1, 1, { op: 'issue', code: '201', group: '' }));
  samples.add(point('dropped_iterations', 1, 2, {}) + point('dropped_iterations', 2, 1, {}));
  samples.add(point('http_req_duration', 0, 900, { op: 'sign-in', group: '::setup' }));
  samples.add('{"metric":"http_req_duration","type":"Metric","data":{}}\n');
  expect(samples.dropped).toBe(3);
  const series = samples.finish();
  expect(series.issue?.codes).toEqual({ '201': 2, '503 store_unavailable': 1 });
  expect(Object.keys(series)).toEqual(['issue']);
  expect(samples.codes()).toEqual({
    '201': [
      { second: 0, count: 1 },
      { second: 1, count: 1 },
    ],
    '503 store_unavailable': [{ second: 0, count: 1 }],
  });
});
