import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { SecurityReportView } from './report-shapes.ts';

export type SecurityReportRow = SecurityReportView;

const COLUMNS = `id AS report_id, kind, ${placeTime('period_from')} AS "from", ${placeTime('period_to')} AS "to", status,
  requested_by, ${placeTime('requested_at')} AS requested_at, ${placeTime('ended_at')} AS ended_at, sha256`;

const securityReportInsert = defineStatement('securityReportInsert')`
  INSERT INTO security_reports (id, kind, period_from, period_to, requested_by) VALUES ($1, 'demand', $2, $3, $4)`;
const LAST_WEEK = `(SELECT date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') last(week)`;
const WEEK_IS_COUNTED = 'EXISTS (SELECT FROM event_hours WHERE hour < week)';
/** Indexes: security_reports_queued, security_reports_weekly. */
export const securityReportsAreDue = defineQuestion(
  `EXISTS (SELECT FROM security_reports WHERE status = 'queued')
   OR EXISTS (SELECT FROM ${LAST_WEEK} WHERE ${WEEK_IS_COUNTED} AND NOT EXISTS (
     SELECT FROM security_reports r WHERE r.kind = 'weekly' AND r.period_from = week - interval '7 days'))`,
);
/** The last whole week by the database's clock, if all of it was counted; the unique index makes a second run do nothing. */
const securityReportSchedule = defineStatement('securityReportSchedule')`
  INSERT INTO security_reports (id, kind, period_from, period_to, requested_by)
  SELECT $1, 'weekly', week - interval '7 days', week, $2
  FROM ${LAST_WEEK} WHERE ${WEEK_IS_COUNTED}
  ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`;
/** Index: security_reports_queued. Those whose period is counted, and those that waited too long for it. */
const securityReportsDue = defineStatement('securityReportsDue')`
  SELECT ${COLUMNS}, counted_at IS NOT NULL AND counted_at >= period_to AS is_counted
  FROM security_reports, monitoring_state
  WHERE status = 'queued' AND (counted_at >= period_to OR requested_at < clock_timestamp() - make_interval(hours => $1))
  ORDER BY security_reports.requested_at LIMIT 20`;
const securityReportsQueuedCount = defineStatement('securityReportsQueuedCount')`
  SELECT count(*)::int AS count FROM security_reports WHERE status = 'queued'`;
const securityReportEnd = defineStatement('securityReportEnd')`
  UPDATE security_reports SET status = $2, content = $3, sha256 = $4, ended_at = clock_timestamp()
  WHERE id = $1 AND status = 'queued' RETURNING id`;
/** Index: security_reports_requested_at, backwards. */
const securityReportsPage = defineStatement('securityReportsPage')`
  SELECT ${COLUMNS} FROM security_reports WHERE (requested_at, id) < ($1::timestamptz, $2::uuid)
  ORDER BY security_reports.requested_at DESC, id DESC LIMIT $3`;
const securityReportRead = defineStatement('securityReportRead')`
  SELECT ${COLUMNS}, content FROM security_reports WHERE id = $1`;

/** As long as HIPAA requires for documentation (45 CFR 164.316(b)(2)). */
export const securityReportPurge = definePurge({
  table: 'security_reports',
  ends: 'requested_at',
  stays: `interval '6 years 1 day'`,
});

export const insertSecurityReport = (
  tx: Sql,
  report: { readonly id: string; readonly from: string; readonly to: string; readonly by: string },
): Promise<unknown> => tx.query(securityReportInsert, [report.id, report.from, report.to, report.by]);

export const insertWeeklyReport = async (tx: Sql, id: string, by: string): Promise<SecurityReportRow | undefined> =>
  (await tx.query<SecurityReportRow>(securityReportSchedule, [id, by]))[0];

export const readDueReports = (
  sql: Sql,
  longestHours: number,
): Promise<(SecurityReportRow & { readonly is_counted: boolean })[]> => sql.query(securityReportsDue, [longestHours]);

export const countQueuedReports = async (sql: Sql): Promise<number> =>
  (await sql.query<{ count: number }>(securityReportsQueuedCount))[0]?.count ?? 0;

/** False if another run ended it before. */
export const endSecurityReport = async (
  tx: Sql,
  id: string,
  end: { readonly status: 'done' | 'failed'; readonly content: string | null; readonly sha256: string | null },
): Promise<boolean> => (await tx.query(securityReportEnd, [id, end.status, end.content, end.sha256])).length > 0;

export const readSecurityReportsPage = (
  sql: Sql,
  after: readonly string[] | undefined,
  limit: number,
): Promise<SecurityReportRow[]> =>
  sql.query(securityReportsPage, [
    after?.[0] ?? 'infinity',
    after?.[1] ?? 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    limit,
  ]);

export const readSecurityReportRow = async (
  sql: Sql,
  id: string,
): Promise<(SecurityReportRow & { readonly content: string | null }) | undefined> =>
  (await sql.query<SecurityReportRow & { content: string | null }>(securityReportRead, [id]))[0];
