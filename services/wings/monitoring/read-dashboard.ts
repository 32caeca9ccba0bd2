import type { EventCount } from '#services/core/audit/read/count-events.ts';
import type { Ports } from '#services/core/ports.ts';
import { SEVERITIES } from '#services/core/security/incident-shapes.ts';
import { countOpenIncidents } from '#services/core/security/open-incidents.ts';
import { type CopySampleRow, readCopySamples } from './copy-samples.store.ts';
import {
  DASHBOARD_HOURS,
  type Dashboard,
  HOURS_BEFORE,
  LISTED_SECONDS,
  type PART_STATES,
  type PerformancePart,
  type ResourcesPart,
  type SecurityPart,
  STALE_SECONDS,
  type TokensPart,
} from './dashboard-shapes.ts';
import { readEventHours, readMonitoringState } from './event-hours.store.ts';
import { durationOf, hoursUntil, securityHoursOf, signInRateOf } from './measures.ts';
import { copiesOf, queuesOf } from './resources.ts';
import { sumOf } from './take-sample.ts';

type Freshness = { readonly state: (typeof PART_STATES)[number]; readonly as_of: string | null };

const freshnessOf = (asOf: string | null | undefined, ageSeconds: number | null | undefined): Freshness => {
  if (asOf == null || ageSeconds == null) return { state: 'missing', as_of: null };
  return { state: ageSeconds > STALE_SECONDS ? 'stale' : 'fresh', as_of: asOf };
};

type State = Awaited<ReturnType<typeof readMonitoringState>>;
type Facts = {
  readonly state: State;
  /** The hours of copies of this clock hour and the one before; what was written last comes last. */
  readonly samples: readonly CopySampleRow[];
  /** Of the hours of the dashboard. */
  readonly counts: readonly EventCount[];
};

/** The figures of security, from counts of the sealed log, and the incidents that are open. */
function securityPartOf({ state, samples, counts }: Facts, open: Readonly<Record<string, number>>): SecurityPart {
  const delays = samples
    .filter((row) => row.age_seconds <= STALE_SECONDS)
    .flatMap(({ sample }) => sample.gauges.unsealed_age_seconds ?? []);
  return {
    ...freshnessOf(state.counted_at, state.age_seconds),
    delay_seconds: delays.at(-1) ?? null,
    sign_ins: signInRateOf(counts),
    open_incidents: Object.fromEntries(
      SEVERITIES.map((severity) => [severity, open[severity] ?? 0]),
    ) as SecurityPart['open_incidents'],
    locked_accounts: state.locked_accounts,
    hours: securityHoursOf(counts, hoursUntil(state.now, DASHBOARD_HOURS)),
  };
}

/** How long the copies took for tokens and passwords. */
function performancePartOf({ state, samples, counts }: Facts): PerformancePart {
  const lately = hoursUntil(state.now, HOURS_BEFORE + 1);
  const { counters, histograms } = sumOf(samples.map(({ sample }) => sample));
  const newest = samples.findLast(({ kind }) => kind === 'api');
  return {
    ...freshnessOf(newest?.at, newest?.age_seconds),
    window_seconds: (HOURS_BEFORE + 1) * 3_600,
    token_generation: durationOf(histograms.token_generation),
    token_refresh: durationOf(histograms.token_refresh),
    token_validation: durationOf(histograms.token_validation),
    password_hash: durationOf(histograms.password_hash),
    validations: {
      active: counters['validations.active'] ?? 0,
      inactive: counters['validations.inactive'] ?? 0,
      unavailable: counters['validations.unavailable'] ?? 0,
    },
    sign_ins: signInRateOf(counts.filter(({ hour }) => lately.includes(hour))),
  };
}

const NO_TOKENS = { issued: 0, active: 0, refreshed: 0, revoked: 0, expired: 0, replays: 0 };

/** Token families, as the job counted them. */
const tokensPartOf = (row: State): TokensPart => ({
  ...freshnessOf(row.tokens_at, row.tokens_age_seconds),
  ...NO_TOKENS,
  ...row.tokens,
});

/** Processor, memory, pools and queues, as each copy last wrote them. */
function resourcesPartOf({ samples }: Facts): ResourcesPart {
  const lately = samples.filter((row) => row.age_seconds <= LISTED_SECONDS);
  const newest = lately.at(-1);
  return { ...freshnessOf(newest?.at, newest?.age_seconds), copies: copiesOf(lately), queues: queuesOf(lately) };
}

/** The dashboard. It reads small tables only: counts by hour, what copies wrote in two hours, and open incidents. */
export async function readDashboard({ sql }: Pick<Ports, 'sql'>): Promise<Dashboard> {
  const state = await readMonitoringState(sql);
  const [first = state.now] = hoursUntil(state.now, DASHBOARD_HOURS);
  const [samples, counts, open] = await Promise.all([
    readCopySamples(sql, HOURS_BEFORE),
    readEventHours(sql, first, 'infinity'),
    countOpenIncidents({ sql }),
  ]);
  const facts = { state, samples, counts };
  return {
    as_of: state.now,
    security: securityPartOf(facts, open),
    performance: performancePartOf(facts),
    tokens: tokensPartOf(state),
    resources: resourcesPartOf(facts),
  };
}
