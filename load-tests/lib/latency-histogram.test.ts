import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LatencyHistogram } from './latency-histogram.ts';

test('every quantile lies within 0.8 % of the exact one, and mean and maximum are exact', () =>
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 600_000_000 }), { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      (values, part) => {
        const histogram = new LatencyHistogram();
        for (const us of values) histogram.record(us / 1_000);
        const sorted = values.toSorted((a, b) => a - b);
        const exactUs = sorted[Math.max(1, Math.ceil(part * sorted.length)) - 1]!;
        const foundUs = histogram.quantileMs(part) * 1_000;
        expect(foundUs).toBeGreaterThanOrEqual(exactUs - 0.001);
        expect(foundUs).toBeLessThanOrEqual(exactUs * 1.008 + 0.001);
        const { count, meanMs, maxMs } = histogram.summary();
        expect(count).toBe(values.length);
        expect(maxMs).toBeCloseTo(sorted.at(-1)! / 1_000, 6);
        expect(meanMs).toBeCloseTo(values.reduce((sum, each) => sum + each, 0) / values.length / 1_000, 3);
      },
    ),
  ));

test('an empty histogram answers zeros', () =>
  expect(new LatencyHistogram().summary()).toEqual({
    count: 0,
    meanMs: 0,
    p50Ms: 0,
    p90Ms: 0,
    p95Ms: 0,
    p99Ms: 0,
    p999Ms: 0,
    maxMs: 0,
  }));
