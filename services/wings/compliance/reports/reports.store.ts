import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { ReportView } from '../contract.ts';
import type { ReportKind, ReportStatus, ReportSummary } from './report-shapes.ts';

const COLUMNS = `id AS report_id, kind, period, status, progress, requested_by, ${placeTime('requested_at')} AS requested_at,
  ${placeTime('started_at')} AS started_at, ${placeTime('ended_at')} AS ended_at, failure, summary, sha256`;

const reportInsert = defineStatement('complianceReportInsert')`
  INSERT INTO compliance_reports (id, kind, requested_by) VALUES ($1, 'demand', $2)`;
const PERIODS = `(VALUES ('daily', 'YYYY-MM-DD'), ('monthly', 'YYYY-MM')) due(kind, form)`;
const PERIOD = `to_char(clock_timestamp() AT TIME ZONE 'UTC', form)`;
/** Indexes: compliance_reports_unfinished, compliance_reports_period. */
export const reportsAreDue = defineQuestion(
  `EXISTS (SELECT FROM compliance_reports WHERE ended_at IS NULL)
   OR EXISTS (SELECT FROM ${PERIODS} WHERE NOT EXISTS (
     SELECT FROM compliance_reports r WHERE r.period IS NOT NULL AND r.kind = due.kind AND r.period = ${PERIOD}))`,
);
/** One row a day and one a month, by the database's clock; the unique index makes a second run do nothing. */
const reportsSchedule = defineStatement('complianceReportsSchedule')`
  INSERT INTO compliance_reports (id, kind, period, requested_by)
  SELECT CASE kind WHEN 'daily' THEN $1::uuid ELSE $2::uuid END, kind, ${PERIOD}, $3 FROM ${PERIODS}
  ON CONFLICT DO NOTHING RETURNING id, kind`;
/** Index: compliance_reports_unfinished. */
const reportsUnfinished = defineStatement('complianceReportsUnfinished')`
  SELECT ${COLUMNS} FROM compliance_reports WHERE ended_at IS NULL ORDER BY compliance_reports.requested_at, id LIMIT $1`;
const reportsUnfinishedCount = defineStatement('complianceReportsUnfinishedCount')`
  SELECT count(*)::int AS count FROM compliance_reports WHERE ended_at IS NULL AND kind = 'demand'`;
/** Index: compliance_reports_requested_at, backwards. */
const reportsPage = defineStatement('complianceReportsPage')`
  SELECT ${COLUMNS} FROM compliance_reports WHERE (requested_at, id) < ($1::timestamptz, $2::uuid)
  ORDER BY compliance_reports.requested_at DESC, id DESC LIMIT $3`;
const reportRead = defineStatement('complianceReportRead', `SELECT ${COLUMNS} FROM compliance_reports WHERE id = $1`);
/** Locks the row: a report is cancelled or advanced, not both. */
const reportLock = defineStatement('complianceReportLock')`
  SELECT status FROM compliance_reports WHERE id = $1 FOR UPDATE`;
const reportBundleRead = defineStatement('complianceReportBundleRead')`
  SELECT bundle FROM compliance_reports WHERE id = $1 AND status = 'done'`;
const reportPdfRead = defineStatement('complianceReportPdfRead')`
  SELECT pdf FROM compliance_reports WHERE id = $1 AND status = 'done'`;
/** Index: compliance_reports_requested_at, backwards past a few reports that are not finished. */
const reportBefore = defineStatement('complianceReportBefore')`
  SELECT id, sha256, bundle FROM compliance_reports WHERE status = 'done' AND id <> $1 ORDER BY compliance_reports.requested_at DESC, id DESC LIMIT 1`;
const reportStep = defineStatement('complianceReportStep')`
  UPDATE compliance_reports SET status = $2, progress = $3, started_at = coalesce(started_at, clock_timestamp()) WHERE id = $1`;
const reportEnd = defineStatement('complianceReportEnd')`
  UPDATE compliance_reports SET status = $2, failure = $3, ended_at = clock_timestamp() WHERE id = $1`;
const reportFinish = defineStatement('complianceReportFinish')`
  UPDATE compliance_reports SET status = 'done', progress = 100, ended_at = clock_timestamp(), summary = $2, bundle = $3,
    sha256 = $4, pdf = $5 WHERE id = $1`;
const evidenceInsert = defineStatement('complianceEvidenceInsert')`
  INSERT INTO compliance_evidence (report_id, control, item, item_sha256, event_id) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT DO NOTHING RETURNING control`;
const evidenceNames = defineStatement('complianceEvidenceNames')`
  SELECT control FROM compliance_evidence WHERE report_id = $1`;
/** Primary keys and the unique index audit_events_event_id. */
const evidenceRead = defineStatement('complianceEvidenceRead')`
  SELECT c.control, c.item, c.item_sha256, c.event_id, e.seq, e.leaf
  FROM compliance_evidence c LEFT JOIN audit_events e ON e.event_id = c.event_id WHERE c.report_id = $1`;
const clockRead = defineStatement('complianceClockRead', `SELECT ${placeTime('clock_timestamp()')} AS now`);

/** Finished reports are kept for six years; those that did not end well, and their evidence, as long. */
export const reportPurge = definePurge({
  table: 'compliance_reports',
  ends: 'requested_at',
  stays: `interval '6 years 1 day'`,
});

export async function insertReport(tx: Sql, id: string, requestedBy: string): Promise<void> {
  await tx.query(reportInsert, [id, requestedBy]);
}
export const insertScheduledReports = (
  tx: Sql,
  ids: readonly [string, string],
  requestedBy: string,
): Promise<{ readonly id: string; readonly kind: ReportKind }[]> => tx.query(reportsSchedule, [...ids, requestedBy]);
export const readUnfinishedReports = (sql: Sql, limit: number): Promise<ReportView[]> =>
  sql.query<ReportView>(reportsUnfinished, [limit]);
export const countUnfinishedReports = async (sql: Sql): Promise<number> =>
  (await sql.query<{ count: number }>(reportsUnfinishedCount))[0]?.count ?? 0;
export const readReportsPage = (sql: Sql, after: readonly string[] | undefined, limit: number): Promise<ReportView[]> =>
  sql.query<ReportView>(reportsPage, [
    after?.[0] ?? 'infinity',
    after?.[1] ?? 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    limit,
  ]);
export const readReportRow = async (sql: Sql, id: string): Promise<ReportView | undefined> =>
  (await sql.query<ReportView>(reportRead, [id]))[0];
export const lockReport = async (tx: Sql, id: string): Promise<ReportStatus | undefined> =>
  (await tx.query<{ status: ReportStatus }>(reportLock, [id]))[0]?.status;
export const readBundleText = async (sql: Sql, id: string): Promise<string | undefined> =>
  (await sql.query<{ bundle: string }>(reportBundleRead, [id]))[0]?.bundle;
export const readPdfBytes = async (sql: Sql, id: string): Promise<Buffer | undefined> =>
  (await sql.query<{ pdf: Buffer }>(reportPdfRead, [id]))[0]?.pdf;
export const readReportBefore = async (
  sql: Sql,
  id: string,
): Promise<{ readonly id: string; readonly sha256: string; readonly bundle: string } | undefined> =>
  (await sql.query<{ id: string; sha256: string; bundle: string }>(reportBefore, [id]))[0];
export async function stepReport(tx: Sql, id: string, status: ReportStatus, progress: number): Promise<void> {
  await tx.query(reportStep, [id, status, progress]);
}
export async function endReport(
  tx: Sql,
  id: string,
  status: 'failed' | 'cancelled',
  failure: string | null,
): Promise<void> {
  await tx.query(reportEnd, [id, status, failure]);
}
export async function finishReport(
  tx: Sql,
  id: string,
  done: { readonly summary: ReportSummary; readonly bundle: string; readonly sha256: string; readonly pdf: Uint8Array },
): Promise<void> {
  await tx.query(reportFinish, [id, JSON.stringify(done.summary), done.bundle, done.sha256, done.pdf]);
}
/** False if the report has evidence of this control already. */
export const insertEvidence = async (
  tx: Sql,
  evidence: {
    readonly reportId: string;
    readonly control: string;
    readonly item: string;
    readonly itemSha256: string;
    readonly eventId: string;
  },
): Promise<boolean> =>
  (
    await tx.query(evidenceInsert, [
      evidence.reportId,
      evidence.control,
      evidence.item,
      evidence.itemSha256,
      evidence.eventId,
    ])
  ).length > 0;
export const readEvidenceNames = async (sql: Sql, reportId: string): Promise<ReadonlySet<string>> =>
  new Set((await sql.query<{ control: string }>(evidenceNames, [reportId])).map(({ control }) => control));
export type EvidenceRow = {
  readonly control: string;
  readonly item: string;
  readonly item_sha256: string;
  readonly event_id: string;
  readonly seq: number | null;
  readonly leaf: Buffer | null;
};
export const readEvidence = (sql: Sql, reportId: string): Promise<EvidenceRow[]> =>
  sql.query<EvidenceRow>(evidenceRead, [reportId]);
export const readNow = async (sql: Sql): Promise<string> =>
  (await sql.query<{ now: string }>(clockRead))[0]?.now as string;
