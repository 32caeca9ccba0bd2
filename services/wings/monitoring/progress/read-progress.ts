import type { Ports } from '#services/core/ports.ts';
import { type EventSum, sumEventHours } from '../event-hours.store.ts';
import {
  type AuthenticationRow,
  type ComponentRow,
  readAuthentication,
  readComponents,
  readState,
} from './progress.store.ts';
import type { AuthenticationProgress, ComponentProgress, SecurityMetrics } from './progress-shapes.ts';

type Reads = Pick<Ports, 'sql'>;

const REFRESHED = ['rotated', 'kept', 'grace', 'lost_answer', 'stale_copy'];

/** What a sealed event is for the progress of authentication; null for one that is counted at its end. */
function progressOf({ type, outcome }: EventSum): string | null {
  switch (type) {
    case 'session.ended':
      return 'logout';
    case 'token.validations':
      return 'verify';
    case 'token.refreshed':
      return REFRESHED.includes(outcome) ? 'refresh' : 'failure';
    default:
      // A first factor that is followed by a second is counted at its end.
      if (outcome === 'second_factor_asked') return null;
      return outcome === 'ok' ? 'login' : 'failure';
  }
}

/** Adds up the counts of the sealed log by what they are for authentication. */
function measuredOf(sums: readonly EventSum[]): AuthenticationRow[] {
  const rows = new Map<string, { event: string; current_hour: number; last_day: number }>();
  for (const sum of sums) {
    const event = progressOf(sum);
    if (event === null) continue;
    const row = rows.get(event) ?? { event, current_hour: 0, last_day: 0 };
    const isVerify = event === 'verify';
    row.current_hour += isVerify ? sum.hour_active : sum.hour_events;
    row.last_day += isVerify ? sum.day_active : sum.day_events;
    rows.set(event, row);
  }
  return [...rows.values()];
}

/** Authentication events of this clock hour and of the last 24: those of the sealed log, and those that were reported. */
export async function readAuthenticationProgress({ sql }: Reads): Promise<AuthenticationProgress> {
  const [sums, reported] = await Promise.all([
    sumEventHours(sql, ['user.login', 'session.ended', 'token.refreshed', 'token.validations']),
    readAuthentication(sql),
  ]);
  const viewOf = (source: 'measured' | 'reported') => (row: AuthenticationRow) => ({
    event: row.event,
    source,
    current_hour: row.current_hour,
    last_day: row.last_day,
  });
  const events = [...measuredOf(sums).map(viewOf('measured')), ...reported.map(viewOf('reported'))];
  return { events: events.sort((one, other) => (one.event < other.event ? -1 : Number(one.event > other.event))) };
}

/** The newest measured figures, and the newest that an embedding application reported. */
export async function readSecurityMetrics({ sql }: Reads): Promise<SecurityMetrics> {
  const { measured, measured_at: measuredAt, reported, reported_at: reportedAt } = await readState(sql);
  return { measured, measured_at: measuredAt, reported, reported_at: reportedAt };
}

/** Progress of each component. What the installation measures of itself replaces what was reported. */
export async function readComponentProgress({ sql }: Reads): Promise<ComponentProgress> {
  const [rows, { measured }] = await Promise.all([readComponents(sql), readState(sql)]);
  const score = typeof measured?.security_score === 'number' ? measured.security_score : null;
  return { components: rows.map((row) => viewOf(row, score)).sort((a, b) => (a.component < b.component ? -1 : 1)) };
}

const viewOf = (
  { component, status, percent, coverage, security_score: securityScore, at }: ComponentRow,
  score: number | null,
) => {
  const isMeasured = component === 'security' && score !== null;
  return {
    component,
    status,
    percent,
    coverage,
    security_score: isMeasured ? score : securityScore,
    updated_at: at,
    measured: isMeasured ? ['security_score'] : [],
  };
};
