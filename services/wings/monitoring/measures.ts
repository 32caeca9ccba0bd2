import type { EventCount } from '#services/core/audit/read/count-events.ts';
import { type CountedType, LOGIN_FAILURES, REVOCATION_TYPES } from './counted-events.ts';
import type { Duration, Rate, SecurityFigures, SecurityHour } from './dashboard-shapes.ts';
import { countOf, type Histogram, quantileOf } from './histogram.ts';

const HOUR_MS = 3_600_000;
const MS = 1_000;

const rounded = (value: number, decimals: number): number => Number(value.toFixed(decimals));

/** Average, p95 and p99 in milliseconds of durations in seconds. */
export function durationOf(histogram: Histogram | undefined): Duration {
  const count = histogram === undefined ? 0 : countOf(histogram);
  if (histogram === undefined || count === 0) return { count: 0, average_ms: null, p95_ms: null, p99_ms: null };
  const at = (quantile: number): number => rounded((quantileOf(histogram, quantile) as number) * MS, 4);
  return { count, average_ms: rounded((histogram.sum / count) * MS, 4), p95_ms: at(0.95), p99_ms: at(0.99) };
}

/** Of 3 that succeeded and 1 that failed: 75 percent. */
function rateOf(succeeded: number, failed: number): Rate {
  const ended = succeeded + failed;
  return { succeeded, failed, success_percent: ended === 0 ? null : rounded((succeeded / ended) * 100, 2) };
}

type Which = { readonly types: readonly CountedType[]; readonly outcomes?: readonly string[] };

const eventsOf = (counts: readonly EventCount[], { types, outcomes }: Which): number =>
  counts
    .filter(({ type, outcome }) => types.includes(type as CountedType) && (outcomes?.includes(outcome) ?? true))
    .reduce((sum, { events }) => sum + events, 0);

/** Sign-ins that ended. */
export const signInRateOf = (counts: readonly EventCount[]): Rate =>
  rateOf(
    eventsOf(counts, { types: ['user.login'], outcomes: ['ok'] }),
    eventsOf(counts, { types: ['user.login'], outcomes: LOGIN_FAILURES }),
  );

export function figuresOf(counts: readonly EventCount[]): SecurityFigures {
  const { succeeded, failed } = signInRateOf(counts);
  return {
    sign_ins_succeeded: succeeded,
    sign_ins_failed: failed,
    sign_ups: eventsOf(counts, { types: ['user.created'] }),
    sessions_ended: eventsOf(counts, { types: ['session.ended'] }),
    revocations: eventsOf(counts, { types: REVOCATION_TYPES, outcomes: ['ok'] }),
    incidents_raised: eventsOf(counts, { types: ['incident.raised'] }),
    denials: eventsOf(counts, { types: ['access.denied'] }),
  };
}

/** The figures of each of these hours, also of one without an event. */
export const securityHoursOf = (counts: readonly EventCount[], hours: readonly string[]): SecurityHour[] =>
  hours.map((hour) => ({ hour, ...figuresOf(counts.filter((count) => count.hour === hour)) }));

/** The beginnings of the hour of `now` and of those before it, oldest first. */
export function hoursUntil(now: string, hours: number): string[] {
  const current = Math.floor(Date.parse(now) / HOUR_MS) * HOUR_MS;
  return Array.from({ length: hours }, (_, at) => new Date(current - (hours - 1 - at) * HOUR_MS).toISOString());
}
