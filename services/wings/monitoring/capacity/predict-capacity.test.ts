import { describe, expect, test } from 'vitest';
import type { CapacityDay } from './capacity.store.ts';
import { CAPACITY_SERIES, type SeriesDefinition } from './capacity-series.ts';
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
