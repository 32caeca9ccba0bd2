import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sections } from '#services/platform/config/load.ts';
import type { HourSample } from '../take-sample.ts';
import { ADVICE_RULES, adviseOn } from './advice-rules.ts';
import type { CapacityDay } from './capacity.store.ts';
import { CAPACITY_SERIES, higherOf, measuredOf, type SeriesDefinition } from './capacity-series.ts';
import { tQuantile, trendOf } from './linear-trend.ts';
import { predict, predictAll } from './predict-capacity.ts';

const definition = CAPACITY_SERIES.database_bytes as SeriesDefinition;
const START = Date.parse('2026-03-01');
const days = (values: readonly number[], limit: number | null = null): CapacityDay[] =>
  values.map((value, nth) => ({
    series: 'database_bytes',
    day: new Date(START + nth * 86_400_000).toISOString().slice(0, 10),
    value,
    limit,
  }));
const predicted = (values: readonly number[], limit: number | null = null) =>
  predict('database_bytes', definition, days(values, limit));

describe('a prediction', () => {
  test('of fewer than seven days is none, with what there is', () => {
    expect(predicted([1, 2, 3, 4, 5, 6], 100)).toMatchObject({
      state: 'too_little_data',
      days: 6,
      latest: 6,
      limit: 100,
      growth_per_day: null,
      forecasts: [],
      reaches_limit: null,
    });
    expect(predicted([])).toMatchObject({ state: 'too_little_data', days: 0, latest: null, limit: null });
  });

  test('of a growing series gives the date at which it reaches its limit', () => {
    // 10 on 1 March, 10 more each day, exactly: 200 on 20 March.
    const exact = predicted([10, 20, 30, 40, 50, 60, 70, 80], 200);
    expect(exact).toMatchObject({ state: 'growing', growth_per_day: 10, latest: 80 });
    expect(exact.reaches_limit).toEqual({ day: '2026-03-20', earliest: '2026-03-20', latest: '2026-03-20' });
    expect(exact.forecasts[0]).toEqual({ day: '2026-03-15', value: 150, low: 150, high: 150 });
  });

  test('of a growing series that is not straight gives the days between which it does', () => {
    // Computed apart, with t = 1.8595 from a table: on 20 March 192.1 to 206.2, on 21 March 201.7 to 216.4, around 199.1 and 209.1.
    const { reaches_limit: reaches } = predicted([10, 22, 28, 43, 49, 61, 68, 82, 88, 101], 200);
    expect(reaches).toEqual({ day: '2026-03-21', earliest: '2026-03-20', latest: '2026-03-21' });
  });

  test('of a limit that is reached already is the next day, of one beyond two years none', () => {
    expect(predicted([10, 20, 30, 40, 50, 60, 70], 60).reaches_limit?.day).toBe('2026-03-08');
    expect(predicted([10, 20, 30, 40, 50, 60, 70], 1e9).reaches_limit).toEqual({
      day: null,
      earliest: null,
      latest: null,
    });
  });

  test('of a series without a limit has no date, and of one that only fluctuates or falls no growth', () => {
    expect(predicted([10, 20, 30, 40, 50, 60, 70])).toMatchObject({ state: 'growing', reaches_limit: null });
    expect(predicted([50, 48, 53, 49, 52, 47, 51, 50], 60)).toMatchObject({ state: 'steady', reaches_limit: null });
    expect(predicted([70, 60, 50, 40, 30, 20, 10], 60)).toMatchObject({ state: 'steady', growth_per_day: -10 });
  });

  test('exists for every declared series', () =>
    expect(predictAll(days([1, 2])).map(({ series, days: n }) => [series, n])).toEqual(
      Object.keys(CAPACITY_SERIES).map((name) => [name, name === 'database_bytes' ? 2 : 0]),
    ));
});

test('the quantile of the t distribution is that of the tables', () => {
  // Student's t, one-sided 0.95.
  for (const [degrees, table] of [
    [5, 2.015],
    [7, 1.895],
    [10, 1.812],
    [20, 1.725],
    [30, 1.697],
    [88, 1.662],
  ] as const)
    expect(tQuantile(degrees)).toBeCloseTo(table, 2);
});

test('a trend is the least-squares line, with the interval of one more observation', () => {
  // Worked by hand: slope 28/28, deviation from the line (1, −1, 1, −1, 1, −1, 0 around y = x) ≠ 0.
  const ys = [1, 1, 3, 3, 5, 5, 7];
  const trend = trendOf(ys.map((y, x) => ({ x, y })));
  expect(trend.slope).toBeCloseTo(1, 10);
  const line = (x: number) => 25 / 7 + (x - 3);
  expect(trend.at(10).value).toBeCloseTo(line(10), 10);
  const errors = ys.reduce((sum, y, x) => sum + (y - line(x)) ** 2, 0);
  const width = tQuantile(5) * Math.sqrt(errors / 5) * Math.sqrt(1 + 1 / 7 + 49 / 28);
  expect(trend.at(10).high - trend.at(10).value).toBeCloseTo(width, 10);
  expect(trend.at(10).value - trend.at(10).low).toBeCloseTo(width, 10);
  expect(trend.slopeHigh - trend.slope).toBeCloseTo((tQuantile(5) * Math.sqrt(errors / 5)) / Math.sqrt(28), 10);
});

test('90 of 100 later observations lie in the interval', () => {
  // A fixed sequence of normal deviates (Box-Muller over a linear congruential generator), so that the test is repeatable.
  let state = 42;
  const uniform = (): number => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return (state + 0.5) / 4_294_967_296;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  let inside = 0;
  const TRIALS = 4_000;
  for (let trial = 0; trial < TRIALS; trial += 1) {
    const trend = trendOf(Array.from({ length: 14 }, (_, x) => ({ x, y: 5 + 2 * x + normal() })));
    const later = 5 + 2 * 20 + normal();
    const { low, high } = trend.at(20);
    if (later >= low && later <= high) inside += 1;
  }
  expect(inside / TRIALS).toBeGreaterThan(0.88);
  expect(inside / TRIALS).toBeLessThan(0.92);
});

const config = { stores: { poolConnections: 10 }, capacity: { databaseGb: 20 } };
const gauges = {
  event_loop_utilization: 0.2,
  'heap_bytes.used': 30,
  'heap_bytes.limit': 100,
  'pool.main.used': 4,
  'pool.main.waiting': 1,
  revocations: 7,
  revocations_max: 1_000,
  'queue_age_seconds.mail': 5,
  'queue_age_seconds.logout': 2,
};

test('an API copy measures its own load, with what limits it', () => {
  expect(measuredOf({ kind: 'api', gauges, sizes: undefined, config })).toEqual({
    event_loop_utilization: { value: 0.2, limit: 0.8 },
    heap_share: { value: 0.3, limit: 0.9 },
    pool_connections: { value: 5, limit: 10 },
    revocations: { value: 7, limit: 1_000 },
    oldest_job_seconds: { value: 5, limit: null },
  });
  expect(measuredOf({ kind: 'api', gauges: {}, sizes: undefined, config })).toEqual({
    pool_connections: { value: 0, limit: 10 },
  });
});

test('a worker measures the installation too, and neither its event loop nor revocations, which jobs do not wait for', () => {
  const sizes = { database_bytes: 5, users: 3, sealedEvents: 2 };
  const measured = measuredOf({ kind: 'worker', gauges, sizes, config: { ...config, capacity: { databaseGb: 0 } } });
  expect(measured).toMatchObject({
    database_bytes: { value: 5, limit: null },
    users: { value: 3, limit: null },
    sealed_events: { value: 2, limit: null },
  });
  expect(Object.keys(measured)).not.toEqual(expect.arrayContaining(['event_loop_utilization']));
  expect(Object.keys(measured)).not.toEqual(expect.arrayContaining(['revocations']));
  expect(measuredOf({ kind: 'worker', gauges, sizes, config })).toMatchObject({ database_bytes: { limit: 20e9 } });
});

test('an hour keeps the higher value of each series, with the newest limit', () => {
  const before = { users: { value: 3, limit: null }, revocations: { value: 9, limit: 10 } };
  expect(higherOf(before, { revocations: { value: 4, limit: 20 }, heap_share: { value: 0.5, limit: 0.9 } })).toEqual({
    users: { value: 3, limit: null },
    revocations: { value: 9, limit: 20 },
    heap_share: { value: 0.5, limit: 0.9 },
  });
});

const row = (changes: Partial<HourSample>): HourSample => ({
  ...{ counters: {}, gauges: {}, histograms: {}, measured: {} },
  ...changes,
});
/** That many records between 10 and 50 ms, or up to 1 ms. */
const slow = (count: number) => ({ sum: count * 0.04, counts: { 0.01: 0, 0.05: count } });
const fast = (count: number) => ({ sum: count * 0.0005, counts: { 0.001: count } });
const advised = (...rows: HourSample[]) => adviseOn(rows).map(({ rule, evidence }) => [rule, evidence]);

test('a healthy installation gets no advice, and one that measured nothing neither', () => {
  expect(adviseOn([])).toEqual([]);
  const healthy = row({
    counters: { 'verdict_cache.hit': 90_000, 'verdict_cache.miss': 10_000, 'hashes.done': 500 },
    histograms: { 'pool_wait.main': fast(50_000), password_wait: fast(500), 'token_signing.RS256': fast(9_000) },
    measured: {
      oldest_job_seconds: { value: 2, limit: null },
      event_loop_utilization: { value: 0.5, limit: 0.8 },
      heap_share: { value: 0.3, limit: 0.9 },
      revocations: { value: 10, limit: 1_000_000 },
    },
  });
  expect(adviseOn([healthy, healthy])).toEqual([]);
});

test('each rule applies beyond its figures, and gives them as evidence', () => {
  expect(advised(row({ histograms: { 'pool_wait.main': slow(1_000) } }))).toEqual([
    ['statements_wait', { count: 1_000, p95_ms: 48, above_ms: 10 }],
  ]);
  expect(advised(row({ histograms: { 'pool_wait.main': slow(999) } }))).toEqual([]);
  expect(
    advised(row({ counters: { 'pool_timeouts.main': 2 } }), row({ counters: { 'pool_timeouts.main': 1 } })),
  ).toEqual([['statements_given_up', { timeouts: 3 }]]);
  expect(advised(row({ histograms: { password_wait: { sum: 80, counts: { 0.5: 0, 1: 100 } } } }))).toEqual([
    ['passwords_wait', { count: 100, p95_ms: 975, above_ms: 250 }],
  ]);
  expect(advised(row({ counters: { 'hashes.full': 4 } }))).toEqual([['passwords_refused', { full: 4, expired: 0 }]]);
  expect(advised(row({ measured: { event_loop_utilization: { value: 0.93, limit: 0.8 } } }))).toEqual([
    ['event_loop_busy', { highest: 0.93, limit: 0.8 }],
  ]);
  expect(advised(row({ measured: { heap_share: { value: 0.95, limit: 0.9 } } }))).toEqual([
    ['heap_full', { highest: 0.95, limit: 0.9 }],
  ]);
  expect(advised(row({ measured: { revocations: { value: 900, limit: 1_000 } } }))).toEqual([
    ['revocations_many', { highest: 900, limit: 1_000 }],
  ]);
  expect(advised(row({ counters: { 'verdict_cache.hit': 4_000, 'verdict_cache.miss': 6_000 } }))).toEqual([
    ['signatures_verified_again', { hits: 4_000, misses: 6_000, miss_percent: 60 }],
  ]);
  expect(advised(row({ histograms: { 'token_signing.RS256': slow(2_000) } }))).toEqual([
    ['signing_slow', { count: 2_000, p95_ms: 48, above_ms: 10 }],
  ]);
  expect(advised(row({ measured: { oldest_job_seconds: { value: 61, limit: null } } }))).toEqual([
    ['jobs_wait', { oldest_seconds: 61, above_seconds: 60 }],
  ]);
});

test('every rule names a setting that exists, or what to run more of, and a page with its heading', () => {
  const settings = Object.values(sections).flatMap((section) => Object.values(section).map(({ env }) => env));
  const root = resolve(import.meta.dirname, '../../../..');
  const known = [...settings, 'NODE_OPTIONS', 'copies of the API', 'copies of the worker'];
  for (const { setting, link } of ADVICE_RULES) {
    expect(known).toContain(setting);
    const [page = '', heading] = link.split('#');
    expect(existsSync(join(root, page)), link).toBe(true);
    if (heading !== undefined)
      expect(readFileSync(join(root, page), 'utf8')).toMatch(new RegExp(`^## ${heading}$`, 'im'));
  }
});
