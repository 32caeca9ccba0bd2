import type { Ports } from '../ports.ts';
import { SEVERITIES } from '../security/incident-shapes.ts';
import { countOpenIncidents } from '../security/open-incidents.ts';
import { type CopySampleRow, readCopySamples } from './copy-samples.store.ts';
import {
  DASHBOARD_HOURS,
  type Dashboard,
  type PART_STATES,
  type PerformancePart,
  type ResourcesPart,
  type SecurityPart,
  STALE_SECONDS,
  WINDOW_SECONDS,
} from './dashboard-shapes.ts';
import { readEventHours, readMonitoringState } from './event-hours.store.ts';
import { durationOf, hoursUntil, securityHoursOf, signInRateOf } from './measures.ts';
import { copiesOf, queuesOf } from './resources.ts';
import { sumOf } from './take-sample.ts';

type Reads = Pick<Ports, 'sql'>;
type Freshness = { readonly state: (typeof PART_STATES)[number]; readonly as_of: string | null };

const freshnessOf = (asOf: string | null | undefined, ageSeconds: number | null | undefined): Freshness => {
  if (asOf == null || ageSeconds == null) return { state: 'missing', as_of: null };
  return { state: ageSeconds > STALE_SECONDS ? 'stale' : 'fresh', as_of: asOf };
};

/** The figures of security, from counts of the sealed log, and the incidents that are open now. */
async function readSecurityPart({ sql }: Reads, samples: readonly CopySampleRow[]): Promise<SecurityPart> {
  const { countedAt, ageSeconds, lockedAccounts, now } = await readMonitoringState(sql);
  const hours = hoursUntil(now, DASHBOARD_HOURS);
  const [counts, open] = await Promise.all([
    readEventHours(sql, hours[0] as string, 'infinity'),
    countOpenIncidents({ sql }),
  ]);
  const delays = samples
    .filter((row) => row.ageSeconds <= STALE_SECONDS)
    .flatMap(({ sample }) => sample.gauges.unsealed_age_seconds ?? []);
  return {
    ...freshnessOf(countedAt, ageSeconds),
    delay_seconds: delays.at(-1) ?? null,
    sign_ins: signInRateOf(counts),
    open_incidents: Object.fromEntries(
      SEVERITIES.map((severity) => [severity, open[severity] ?? 0]),
    ) as SecurityPart['open_incidents'],
    locked_accounts: lockedAccounts,
    hours: securityHoursOf(counts, hours),
  };
}

/** How long the copies took for tokens and passwords, within the window. */
async function readPerformancePart({ sql }: Reads, samples: readonly CopySampleRow[]): Promise<PerformancePart> {
  const { now } = await readMonitoringState(sql);
  const [before] = hoursUntil(now, 2);
  const { counters, histograms } = sumOf(samples.map(({ sample }) => sample));
  const newest = samples.findLast(({ kind }) => kind === 'api');
  return {
    ...freshnessOf(newest?.at, newest?.ageSeconds),
    window_seconds: WINDOW_SECONDS,
    token_generation: durationOf(histograms.token_generation),
    token_refresh: durationOf(histograms.token_refresh),
    token_validation: durationOf(histograms.token_validation),
    password_hash: durationOf(histograms.password_hash),
    validations: {
      active: counters['validations.active'] ?? 0,
      inactive: counters['validations.inactive'] ?? 0,
      unavailable: counters['validations.unavailable'] ?? 0,
    },
    sign_ins: signInRateOf(await readEventHours(sql, before as string, 'infinity')),
  };
}

/** Processor, memory, pools and queues, as each copy last wrote them. */
function resourcesPartOf(samples: readonly CopySampleRow[]): ResourcesPart {
  const newest = samples.at(-1);
  return {
    ...freshnessOf(newest?.at, newest?.ageSeconds),
    copies: copiesOf(samples),
    queues: queuesOf(samples),
  };
}

/** What copies wrote within the window, oldest first. */
const readWindow = ({ sql }: Reads): Promise<CopySampleRow[]> => readCopySamples(sql, WINDOW_SECONDS);

/** The dashboard. It reads small tables only: counts by hour, what copies wrote in 15 minutes, and open incidents. */
export async function readDashboard(ports: Reads): Promise<Dashboard> {
  const samples = await readWindow(ports);
  const [{ now }, security, performance] = await Promise.all([
    readMonitoringState(ports.sql),
    readSecurityPart(ports, samples),
    readPerformancePart(ports, samples),
  ]);
  return { as_of: now, security, performance, resources: resourcesPartOf(samples) };
}
