import type { Ports } from '#services/core/ports.ts';
import { isNewReport } from '#services/core/security/record-incident.ts';
import { addAuthentication, type Facts, setComponent, setReported } from './progress.store.ts';

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
    if (!(await isNewReport(tx, report.id))) return;
    const { at } = report;
    if (report.kind === 'authentication') await addAuthentication(tx, at, report.event);
    else if (report.kind === 'metrics') await setReported(tx, report.metrics, at);
    else {
      const { component, status, percent, coverage = null, security_score: securityScore = null } = report;
      await setComponent(tx, { component, status, percent, coverage, security_score: securityScore, at });
    }
  });
}
