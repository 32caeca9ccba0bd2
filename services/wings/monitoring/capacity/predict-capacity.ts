import type { CapacityDay } from './capacity.store.ts';
import { CAPACITY_SERIES, type SeriesDefinition } from './capacity-series.ts';
import { type CapacitySeries, DAYS_NEEDED, HORIZON_DAYS } from './capacity-shapes.ts';
import { type Trend, trendOf } from './linear-trend.ts';

const DAY_MS = 86_400_000;
const FORECAST_DAYS = [7, 30, 90] as const;

const dayNumber = (day: string): number => Date.parse(day) / DAY_MS;
const dayOf = (number: number): string => new Date(number * DAY_MS).toISOString().slice(0, 10);
const significant = (value: number): number => Number(value.toPrecision(6));

/** The first day from `from` on of which `is` is true; null if none is within the horizon. */
function firstDay(from: number, is: (day: number) => boolean): string | null {
  for (let day = from; day <= from + HORIZON_DAYS; day += 1) if (is(day)) return dayOf(day);
  return null;
}

const reachOf = (trend: Trend, limit: number, from: number): CapacitySeries['reaches_limit'] => ({
  day: firstDay(from, (day) => trend.at(day).value >= limit),
  earliest: firstDay(from, (day) => trend.at(day).high >= limit),
  latest: firstDay(from, (day) => trend.at(day).low >= limit),
});

/**
 * Predicts a series by the line through its days. Fewer than seven days are too little; a slope whose 90 % interval has
 * zero or less in it is no growth.
 */
export function predict(name: string, definition: SeriesDefinition, days: readonly CapacityDay[]): CapacitySeries {
  const { unit, meaning, limitOf } = definition;
  const newest = days.at(-1);
  const limit = newest?.limit ?? null;
  const known = {
    series: name,
    unit,
    meaning,
    days: days.length,
    latest: newest?.value ?? null,
    limit,
    limit_of: limitOf,
  };
  if (newest === undefined || days.length < DAYS_NEEDED)
    return { ...known, state: 'too_little_data', growth_per_day: null, forecasts: [], reaches_limit: null };
  const trend = trendOf(days.map(({ day, value }) => ({ x: dayNumber(day), y: value })));
  const last = dayNumber(newest.day);
  const isGrowing = trend.slopeLow > 0;
  return {
    ...known,
    state: isGrowing ? 'growing' : 'steady',
    growth_per_day: significant(trend.slope),
    forecasts: FORECAST_DAYS.map((ahead) => {
      const { value, low, high } = trend.at(last + ahead);
      return { day: dayOf(last + ahead), value: significant(value), low: significant(low), high: significant(high) };
    }),
    reaches_limit: isGrowing && limit !== null ? reachOf(trend, limit, last + 1) : null,
  };
}

export function predictAll(days: readonly CapacityDay[]): CapacitySeries[] {
  const bySeries = Map.groupBy(days, ({ series }) => series);
  return Object.entries(CAPACITY_SERIES).map(([name, definition]) =>
    predict(name, definition, bySeries.get(name) ?? []),
  );
}
