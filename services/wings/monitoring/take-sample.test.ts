import { describe, expect, test } from 'vitest';
import { catalogue } from '#observability/metrics/catalogue.ts';
import { createRegistry } from '#observability/metrics/instruments.ts';
import { modules } from '#services/modules.ts';
import { countOf, histogramOf, mergeHistograms, quantileOf } from './histogram.ts';
import { SAMPLED_COUNTERS, SAMPLED_GAUGES, SAMPLED_HISTOGRAMS } from './sampled-metrics.ts';
import { NO_TOTALS, sampleOf, sumOf, totalsOf } from './take-sample.ts';

test('every sampled metric exists, is of its kind and has the labels that stay apart', async () => {
  await Promise.all(modules.map((module) => module.metrics?.()));
  await import('#jobs/metrics.ts');
  const known = new Map(catalogue().map((metric) => [metric.name, metric]));
  const kinds = { histogram: SAMPLED_HISTOGRAMS, counter: SAMPLED_COUNTERS, gauge: SAMPLED_GAUGES };
  for (const [kind, sampled] of Object.entries(kinds))
    for (const { metric, ...rest } of Object.values(sampled)) {
      expect(known.get(metric)?.kind, metric).toBe(kind);
      for (const label of 'by' in rest ? rest.by : [])
        expect(Object.keys(known.get(metric)?.labels ?? {})).toContain(label);
    }
});

/** Metrics as the product has them, in a registry of their own. */
function ownMetrics() {
  const registry = createRegistry();
  const validations = registry.defineCounter({
    name: 'sallyport_token_validations',
    help: 'x',
    labels: { result: ['active', 'inactive'], reason: ['none', 'expired', 'revoked'] },
  });
  const issued = registry.defineHistogram({
    name: 'sallyport_token_issue_duration_seconds',
    help: 'x',
    labels: { grant: ['session', 'api'] },
    buckets: [0.01, 0.1],
  });
  const pool = registry.defineGauge({
    name: 'sallyport_postgres_pool_connections',
    help: 'x',
    labels: { pool: ['main'], state: ['used', 'idle'] },
  });
  return { registry, validations, issued, pool };
}

test('a sample has what happened since the one before, added up over labels that do not stay apart', () => {
  const { registry, validations, issued, pool } = ownMetrics();
  validations.add(5, { result: 'active', reason: 'none' });
  issued.record(0.005, { grant: 'session' });
  const before = totalsOf(registry.collect());
  validations.add(2, { result: 'inactive', reason: 'expired' });
  validations.add(1, { result: 'inactive', reason: 'revoked' });
  issued.record(0.05, { grant: 'session' });
  issued.record(0.05, { grant: 'api' });
  issued.record(0.5, { grant: 'api' });
  pool.set(3, { pool: 'main', state: 'used' });
  pool.set(0, { pool: 'main', state: 'idle' });
  const metrics = registry.collect();
  const sample = sampleOf(metrics, before, totalsOf(metrics));
  expect(sample).toEqual({
    counters: { 'validations.inactive': 3 },
    gauges: { 'pool.main.used': 3, 'pool.main.idle': 0 },
    histograms: { token_generation: { sum: expect.closeTo(0.6, 10), counts: { 0.01: 0, 0.1: 2, inf: 1 } } },
  });
  const first = sampleOf(metrics, NO_TOTALS, before);
  expect(first.counters).toEqual({ 'validations.active': 5 });
  expect(sumOf([first, sample])).toEqual({
    counters: { 'validations.active': 5, 'validations.inactive': 3 },
    histograms: { token_generation: { sum: expect.closeTo(0.605, 10), counts: { 0.01: 1, 0.1: 2, inf: 1 } } },
  });
});

test('a registry collects only the metrics that are asked for', () => {
  const { registry } = ownMetrics();
  expect(registry.collect(new Set(['sallyport_token_validations'])).map(({ name }) => name)).toEqual([
    'sallyport_token_validations',
  ]);
  expect(registry.collect()).toHaveLength(3);
});

const BOUNDS = [1, 2, 5, 10];

describe('a sparse histogram', () => {
  test('keeps the bounds that its records need, and the records above all bounds', () => {
    expect(histogramOf(BOUNDS, [0, 0, 3, 0, 2], 40)).toEqual({ sum: 40, counts: { 2: 0, 5: 3, 10: 0, inf: 2 } });
    expect(histogramOf(BOUNDS, [4, 0, 0, 0, 0], 2)).toEqual({ sum: 2, counts: { 1: 4 } });
  });

  test('of two copies has the records of both', () => {
    const merged = mergeHistograms([histogramOf(BOUNDS, [1, 0, 3, 0, 0], 9), histogramOf(BOUNDS, [0, 2, 1, 0, 0], 7)]);
    expect([merged, countOf(merged)]).toEqual([{ sum: 16, counts: { 1: 1, 2: 2, 5: 4 } }, 7]);
    expect(mergeHistograms([])).toEqual({ sum: 0, counts: {} });
  });
});

describe('a quantile', () => {
  test('lies on the line between the bounds of its bucket, also where the bucket before is empty', () => {
    // 4 records in (2, 5]: the third of them is at three quarters of the bucket.
    expect(quantileOf(histogramOf(BOUNDS, [0, 0, 4, 0, 0], 14), 0.75)).toBe(4.25);
    // 10 records in the first bucket, which begins at 0, and 10 in the last.
    const two = histogramOf(BOUNDS, [10, 0, 0, 10, 0], 100);
    expect([quantileOf(two, 0.25), quantileOf(two, 0.5), quantileOf(two, 0.95)]).toEqual([0.5, 1, 9.5]);
  });

  test('above the last bound is that bound', () =>
    expect(quantileOf(histogramOf(BOUNDS, [1, 0, 0, 0, 9], 900), 0.99)).toBe(10));

  test('of nothing is unknown', () => expect(quantileOf({ sum: 0, counts: {} }, 0.5)).toBeNull());
});
