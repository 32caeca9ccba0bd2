import type { Ports } from '#services/domain/ports.ts';
import { type ComponentRow, type Facts, readAuthentication, readComponents, readState } from './progress.store.ts';

type Reads = Pick<Ports, 'sql'>;

export type AuthenticationProgress = {
  readonly events: readonly {
    readonly event: string;
    /** `measured` from the audit log, or `reported` by an embedding application. */
    readonly source: string;
    readonly current_hour: number;
    readonly last_day: number;
  }[];
};

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

export type SecurityMetrics = {
  readonly measured: Facts | null;
  readonly measured_at: string | null;
  readonly reported: Facts | null;
  readonly reported_at: string | null;
};

/** The newest measured figures, and the newest that an embedding application reported. */
export async function readSecurityMetrics({ sql }: Reads): Promise<SecurityMetrics> {
  const { measured, measuredAt, reported, reportedAt } = await readState(sql);
  return { measured, measured_at: measuredAt, reported, reported_at: reportedAt };
}

export type ComponentProgress = {
  readonly components: readonly {
    readonly component: string;
    readonly status: string;
    readonly percent: number;
    readonly coverage: number | null;
    readonly security_score: number | null;
    readonly updated_at: string;
    /** Members that this installation measured: they replace what was reported. */
    readonly measured: readonly string[];
  }[];
};

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
