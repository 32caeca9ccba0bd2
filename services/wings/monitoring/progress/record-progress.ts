import type { Caller, Ports } from '#services/core/ports.ts';
import { reportedIncident } from '#services/core/security/detections.ts';
import type { Severity } from '#services/core/security/incident-shapes.ts';
import { raiseIncident } from '#services/core/security/raise-incident.ts';
import { addAuthentication, type Facts, insertReport, setComponent, setReported } from './progress.store.ts';

/** A report of an embedding application. `id` makes a repeated one count once; `at` is when it was made, RFC 3339. */
export type ProgressReport = { readonly id: string; readonly at: string } & (
  | { readonly kind: 'authentication'; readonly event: string }
  | { readonly kind: 'metrics'; readonly metrics: Facts }
  | {
      readonly kind: 'component';
      readonly component: string;
      readonly status: string;
      readonly percent: number;
      readonly coverage?: number | undefined;
      readonly security_score?: number | undefined;
    }
);

/** Stores a report. Of two reports on the same thing the newer one stays, whichever arrives last. */
export async function recordProgress({ transact }: Pick<Ports, 'transact'>, report: ProgressReport): Promise<void> {
  await transact(async (tx) => {
    if (!(await insertReport(tx, report.id))) return;
    const { at } = report;
    if (report.kind === 'authentication') await addAuthentication(tx, at, report.event);
    else if (report.kind === 'metrics') await setReported(tx, report.metrics, at);
    else {
      const { component, status, percent, coverage = null, security_score: securityScore = null } = report;
      await setComponent(tx, { component, status, percent, coverage, security_score: securityScore, at });
    }
  });
}

export type IncidentReport = {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly severity: Severity;
  readonly user_id: string;
  readonly detail: Facts;
};

/** Raises the incident that an embedding application reported, once for each report. */
export async function recordIncident(
  ports: Pick<Ports, 'transact' | 'random'>,
  { id, at, type, severity, user_id: userId, detail }: IncidentReport,
  caller: Caller,
): Promise<void> {
  await ports.transact(async (tx) => {
    if (!(await insertReport(tx, id))) return;
    const sighting = { target: { kind: 'user', id: userId }, detail: { ...detail, type, reported_at: at } } as const;
    await raiseIncident(tx, ports, caller, { ...reportedIncident, severity }, sighting);
  });
}
