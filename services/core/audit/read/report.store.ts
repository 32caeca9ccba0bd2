import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { type EventPlace, VIEW_COLUMNS, type ViewRow } from '../events.store.ts';

/** Scans audit_events_occurred_at forwards. Each page is a statement of its own, so no snapshot lasts long. */
const WITHIN = `occurred_at >= $1 AND occurred_at <= $2 AND seq <= $3 AND (occurred_at, seq) > ($4, $5)`;

export const auditReportPage = defineStatement('auditReportPage')`
  SELECT ${VIEW_COLUMNS} FROM audit_events WHERE ${WITHIN} ORDER BY audit_events.occurred_at, seq LIMIT $6`;
/** Uses audit_outbox_unsealed. Cost grows with the number of unsealed events in the period. */
const auditUnsealedWithin = defineStatement('auditUnsealedWithin')`
  SELECT count(*) AS waiting FROM audit_outbox WHERE seq IS NULL AND occurred_at >= $1 AND occurred_at <= $2`;

export type ReportRange = { readonly start: string; readonly end: string; readonly throughSeq: number };

export const readReportPage = (
  sql: Sql,
  { start, end, throughSeq }: ReportRange,
  after: EventPlace,
  limit: number,
): Promise<ViewRow[]> => sql.query(auditReportPage, [start, end, throughSeq, after.occurred_at, after.seq, limit]);

export async function countUnsealed(sql: Sql, start: string, end: string): Promise<number> {
  const [row] = await sql.query<{ waiting: number }>(auditUnsealedWithin, [start, end]);
  return row?.waiting ?? 0;
}
