import type { Ports } from '#services/domain/ports.ts';
import { type ComponentRow, readAuthentication, readComponents, readState } from './progress.store.ts';
import type { AuthenticationProgress, ComponentProgress, SecurityMetrics } from './progress-shapes.ts';

type Reads = Pick<Ports, 'sql'>;

/** Authentication events of this clock hour and of the last 24. */
export async function readAuthenticationProgress({ sql }: Reads): Promise<AuthenticationProgress> {
  const rows = await readAuthentication(sql);
  return {
    events: rows.map(({ event, source, currentHour, lastDay }) => ({
      event,
      source,
      current_hour: currentHour,
      last_day: lastDay,
    })),
  };
}

/** The newest measured figures, and the newest that an embedding application reported. */
export async function readSecurityMetrics({ sql }: Reads): Promise<SecurityMetrics> {
  const { measured, measuredAt, reported, reportedAt } = await readState(sql);
  return { measured, measured_at: measuredAt, reported, reported_at: reportedAt };
}

/** Progress of each component. What the installation measures of itself replaces what was reported. */
export async function readComponentProgress({ sql }: Reads): Promise<ComponentProgress> {
  const [rows, { measured }] = await Promise.all([readComponents(sql), readState(sql)]);
  const score = typeof measured?.security_score === 'number' ? measured.security_score : null;
  return { components: rows.map((row) => viewOf(row, score)).sort((a, b) => (a.component < b.component ? -1 : 1)) };
}

const viewOf = ({ component, status, percent, coverage, securityScore, at }: ComponentRow, score: number | null) => {
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
