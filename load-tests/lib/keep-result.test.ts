import { expect, test } from 'vitest';
import { isMet } from './figure.ts';
import { figuresOf } from './keep-result.ts';
import type { PerformanceResult } from './load-report.ts';

const result = {
  operations: {
    validate: {
      latency: { count: 200, meanMs: 1, p50Ms: 1, p90Ms: 2, p95Ms: 2, p99Ms: 3, p999Ms: 3, maxMs: 3 },
      intervals: [],
      codes: { '200': 199, '503 overloaded': 1 },
    },
  },
  cases: [
    { suite: 'check', name: 'a live token is active', passed: false, note: '199 of 200' },
    { suite: 'threshold', name: 'p(99)<50', passed: true, note: '' },
  ],
  dropped_iterations: 2,
  seconds: 20,
  users: 100,
} as unknown as PerformanceResult;

test('keeps the latency of each operation with its answers, and dropped requests and failed checks as missed targets', () => {
  const figures = figuresOf(result);
  expect(figures.map(({ name, value }) => [name, value])).toEqual([
    ['validate, p99', 3],
    ['dropped requests', 2],
    ['failed limits and checks', 1],
  ]);
  expect(figures.map(isMet)).toEqual([undefined, false, false]);
  expect(figures[0]?.detail).toBe('10.0 requests a second; p50 1.00 ms, p95 2.00 ms; 200 × 199, 503 overloaded × 1');
  expect(figures[2]?.detail).toBe('a live token is active');
});
