import type { CopyKind } from '../dashboard-shapes.ts';
import type { CapacitySeries } from './capacity-shapes.ts';

export type Sizes = { readonly database_bytes: number; readonly users: number; readonly sealedEvents: number };

/** What the settings say: DATABASE_POOL, and CAPACITY_DATABASE_GB (0: unknown). */
export type CapacitySettings = {
  readonly stores: { readonly poolConnections: number };
  readonly capacity: { readonly databaseGb: number };
};

type CopyFacts = {
  readonly kind: CopyKind;
  readonly gauges: Readonly<Record<string, number>>;
  /** Undefined for an API copy. */
  readonly sizes: Sizes | undefined;
  readonly config: CapacitySettings;
};

type Measured = { readonly value: number; readonly limit: number | null };
export type MeasuredSeries = Readonly<Record<string, Measured>>;

export type SeriesDefinition = Pick<CapacitySeries, 'unit' | 'meaning'> & {
  readonly limitOf: string;
  /** Null if this copy does not measure it. */
  measure(facts: CopyFacts): Measured | null;
};

/** The event loop answers late long before it is never idle. */
const EVENT_LOOP_LIMIT = 0.8;
/** Beyond it garbage collection takes most of the time. */
const HEAP_LIMIT = 0.9;

const measured = (value: number | undefined, limit: number | null): Measured | null =>
  value === undefined ? null : { value, limit };

/** What is predicted. A value is the highest of its hour, and that of a day the highest of its hours. */
export const CAPACITY_SERIES: Readonly<Record<string, SeriesDefinition>> = {
  database_bytes: {
    unit: 'bytes',
    meaning: 'Size of the database with its indexes',
    limitOf: 'CAPACITY_DATABASE_GB',
    measure: ({ sizes, config: { capacity } }) =>
      measured(sizes?.database_bytes, capacity.databaseGb === 0 ? null : capacity.databaseGb * 1e9),
  },
  users: {
    unit: 'rows',
    meaning: 'Accounts, as PostgreSQL estimates them',
    limitOf: 'none',
    measure: ({ sizes }) => measured(sizes?.users, null),
  },
  sealed_events: {
    unit: 'rows',
    meaning: 'Events of the sealed audit log',
    limitOf: 'none',
    measure: ({ sizes }) => measured(sizes?.sealedEvents, null),
  },
  sign_ins_per_hour: {
    unit: 'count',
    meaning: 'Sign-in attempts in the busiest hour of a day',
    limitOf: 'none',
    // The hours of events have it.
    measure: () => null,
  },
  event_loop_utilization: {
    unit: 'share',
    meaning: 'Busiest event loop of an API copy; more copies share the work',
    limitOf: 'measured: beyond 0.8 a copy answers late',
    measure: ({ kind, gauges }) => (kind === 'api' ? measured(gauges.event_loop_utilization, EVENT_LOOP_LIMIT) : null),
  },
  heap_share: {
    unit: 'share',
    meaning: 'Fullest JavaScript heap of a copy, as a share of its limit',
    limitOf: 'measured: beyond 0.9 a copy mostly collects garbage',
    measure: ({ gauges: { 'heap_bytes.used': used, 'heap_bytes.limit': limit } }) =>
      used === undefined || !limit ? null : { value: used / limit, limit: HEAP_LIMIT },
  },
  pool_connections: {
    unit: 'count',
    meaning: 'Connections of the main pool that a copy used or waited for',
    limitOf: 'DATABASE_POOL',
    measure: ({ gauges, config }) => ({
      value: (gauges['pool.main.used'] ?? 0) + (gauges['pool.main.waiting'] ?? 0),
      limit: config.stores.poolConnections,
    }),
  },
  revocations: {
    unit: 'count',
    meaning: 'Revocations that an API copy holds in memory',
    limitOf: 'REVOCATION_BUDGET',
    measure: ({ kind, gauges }) =>
      kind === 'api' ? measured(gauges.revocations, gauges.revocations_max ?? null) : null,
  },
};

/** How long a job has waited at most, in any queue. Advice compares it; it is not predicted. */
export const OLDEST_JOB = 'oldest_job_seconds';
const QUEUE_AGE = 'queue_age_seconds.';

export function measuredOf(facts: CopyFacts): MeasuredSeries {
  const ages = Object.entries(facts.gauges).flatMap(([key, age]) => (key.startsWith(QUEUE_AGE) ? [age] : []));
  const all: Readonly<Record<string, Measured | null>> = {
    ...Object.fromEntries(Object.entries(CAPACITY_SERIES).map(([name, { measure }]) => [name, measure(facts)])),
    [OLDEST_JOB]: ages.length === 0 ? null : measured(Math.max(...ages), null),
  };
  return Object.fromEntries(Object.entries(all).flatMap(([name, each]) => (each === null ? [] : [[name, each]])));
}

/** The higher value of each series, with its newest limit. */
export const higherOf = (before: MeasuredSeries, now: MeasuredSeries): MeasuredSeries => ({
  ...before,
  ...Object.fromEntries(
    Object.entries(now).map(([name, { value, limit }]) => [
      name,
      { value: Math.max(value, before[name]?.value ?? value), limit },
    ]),
  ),
});
