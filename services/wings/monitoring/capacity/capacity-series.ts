import type { EventCount } from '#services/core/audit/read/count-events.ts';
import type { CopySampleRow } from '../copy-samples.store.ts';
import { eventsOf } from '../measures.ts';
import type { CapacitySeries } from './capacity-shapes.ts';

/** Sizes of the installation when the job read them; null for an hour that was sampled later. */
export type Sizes = { readonly databaseBytes: number; readonly users: number; readonly sealedEvents: number };

/** What the settings say: DATABASE_POOL, and CAPACITY_DATABASE_GB (0: unknown). */
export type CapacitySettings = { readonly poolConnections: number; readonly databaseGb: number };

/** What an hour is made of. */
export type HourFacts = {
  readonly samples: readonly CopySampleRow[];
  readonly events: readonly EventCount[];
  readonly sizes: Sizes | null;
  readonly settings: CapacitySettings;
};

/** The value of an hour, and what limited it then. */
export type Measured = { readonly value: number; readonly limit: number | null };

export type SeriesDefinition = Pick<CapacitySeries, 'unit' | 'meaning'> & {
  readonly limitOf: string;
  /** Null if the hour has nothing to measure. */
  measure(facts: HourFacts): Measured | null;
};

/** The event loop answers late long before it is never idle. */
const EVENT_LOOP_LIMIT = 0.8;
/** Beyond it garbage collection takes most of the time. */
const HEAP_LIMIT = 0.9;

const highest = (values: readonly number[], limit: number | null): Measured | null =>
  values.length === 0 ? null : { value: Math.max(...values), limit };

const gaugesOf = ({ samples }: HourFacts, kind?: CopySampleRow['kind']) =>
  samples.filter((row) => kind === undefined || row.kind === kind).map(({ sample }) => sample.gauges);

const shareOf = (part: number | undefined, whole: number | undefined): number[] =>
  part === undefined || whole === undefined || whole <= 0 ? [] : [part / whole];

/** What is predicted. A value is the highest of its hour, and that of a day the highest of its hours. */
export const CAPACITY_SERIES: Readonly<Record<string, SeriesDefinition>> = {
  database_bytes: {
    unit: 'bytes',
    meaning: 'Size of the database with its indexes',
    limitOf: 'CAPACITY_DATABASE_GB',
    measure: ({ sizes, settings }) =>
      sizes === null
        ? null
        : { value: sizes.databaseBytes, limit: settings.databaseGb === 0 ? null : settings.databaseGb * 1e9 },
  },
  users: {
    unit: 'rows',
    meaning: 'Accounts, as PostgreSQL estimates them',
    limitOf: 'none',
    measure: ({ sizes }) => (sizes === null ? null : { value: sizes.users, limit: null }),
  },
  sealed_events: {
    unit: 'rows',
    meaning: 'Events of the sealed audit log',
    limitOf: 'none',
    measure: ({ sizes }) => (sizes === null ? null : { value: sizes.sealedEvents, limit: null }),
  },
  sign_ins_per_hour: {
    unit: 'count',
    meaning: 'Sign-in attempts in the busiest hour of a day',
    limitOf: 'none',
    measure: ({ events, samples }) =>
      samples.length === 0 && events.length === 0
        ? null
        : { value: eventsOf(events, { types: ['user.login'] }), limit: null },
  },
  event_loop_utilization: {
    unit: 'share',
    meaning: 'Busiest event loop of an API copy; more copies share the work',
    limitOf: 'measured: beyond 0.8 a copy answers late',
    measure: (facts) =>
      highest(
        gaugesOf(facts, 'api').flatMap(({ event_loop_utilization: busy }) => busy ?? []),
        EVENT_LOOP_LIMIT,
      ),
  },
  heap_share: {
    unit: 'share',
    meaning: 'Fullest JavaScript heap of a copy, as a share of its limit',
    limitOf: 'measured: beyond 0.9 a copy mostly collects garbage',
    measure: (facts) =>
      highest(
        gaugesOf(facts).flatMap((gauges) => shareOf(gauges['heap_bytes.used'], gauges['heap_bytes.limit'])),
        HEAP_LIMIT,
      ),
  },
  pool_connections: {
    unit: 'count',
    meaning: 'Connections of the main pool that a copy used or waited for',
    limitOf: 'DATABASE_POOL',
    measure: (facts) =>
      highest(
        gaugesOf(facts).map((gauges) => (gauges['pool.main.used'] ?? 0) + (gauges['pool.main.waiting'] ?? 0)),
        facts.settings.poolConnections,
      ),
  },
  revocations: {
    unit: 'count',
    meaning: 'Revocations that an API copy holds in memory',
    limitOf: 'REVOCATION_BUDGET',
    measure: (facts) => {
      const gauges = gaugesOf(facts, 'api');
      const limits = gauges.flatMap(({ revocations_max: limit }) => limit ?? []);
      return highest(
        gauges.flatMap(({ revocations }) => revocations ?? []),
        limits.at(-1) ?? null,
      );
    },
  },
};
