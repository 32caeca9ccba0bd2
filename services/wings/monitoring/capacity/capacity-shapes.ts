import { z } from 'zod';
import { component } from '#services/platform/define/component-names.ts';

/** A trend of fewer days is chance. */
export const DAYS_NEEDED = 7;
export const DAYS_READ = 90;
/** Days ahead for which a date is given. */
export const HORIZON_DAYS = 730;

const day = z.iso.date();

const capacitySeriesView = component('CapacitySeries', {
  series: z.string(),
  unit: z.enum(['bytes', 'rows', 'share', 'count']),
  meaning: z.string(),
  /** Whole days with a value; the current day is not one. */
  days: z.int(),
  /** `too_little_data`: fewer than seven days. `steady`: no growth that could not be chance. */
  state: z.enum(['too_little_data', 'steady', 'growing']),
  /** The highest value of the newest whole day; null without one. */
  latest: z.number().nullable(),
  /** Null if nothing limits it, or no one said what does. */
  limit: z.number().nullable(),
  /** What the limit is: a setting, or what was measured. */
  limit_of: z.string(),
  /** Null with too little data. */
  growth_per_day: z.number().nullable(),
  /** Where the trend leads; 90 of 100 later days are between `low` and `high` if it goes on. */
  forecasts: z.array(z.object({ day, value: z.number(), low: z.number(), high: z.number() })),
  /** When the trend reaches the limit, and between which days it does with 90 %; null beyond two years. */
  reaches_limit: z.object({ day: day.nullable(), earliest: day.nullable(), latest: day.nullable() }).nullable(),
});

const adviceView = component('PerformanceAdvice', {
  rule: z.string(),
  advice: z.string(),
  /** The setting to change, or what to run more of; nothing changes it but you. */
  setting: z.string(),
  /** The figures that the rule compared, by name. */
  evidence: z.record(z.string(), z.number()),
  /** A page of the documentation. */
  link: z.string(),
});

export const capacityView = component('Capacity', {
  as_of: z.iso.datetime(),
  /** The newest hour that was sampled; null before the first. */
  sampled_hour: z.iso.datetime().nullable(),
  days_needed: z.int(),
  predictions: z.array(capacitySeriesView),
  /** Of the last 24 sampled hours. Empty: every rule was checked and none applies. */
  advice: z.array(adviceView),
  rules_checked: z.int(),
});

export type CapacitySeries = z.output<typeof capacitySeriesView>;
export type Advice = z.output<typeof adviceView>;
export type Capacity = z.output<typeof capacityView>;
