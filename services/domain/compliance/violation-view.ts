import type { z } from 'zod';
import type { Sql } from '../ports.ts';
import type { violationView } from './contract.ts';
import { type OpenFindings, readOpenFindings } from './findings.store.ts';
import type { ViolationRow } from './violations.store.ts';

export type ViolationView = z.output<typeof violationView>;

/** @param findings the events that violations name, by the id of the violation */
export const viewOf = (row: ViolationRow, findings: ReadonlyMap<string, OpenFindings>): ViolationView => ({
  violation_id: row.id,
  control_id: row.control,
  state: row.state,
  exception_count: row.exceptionCount,
  detail: row.detail,
  owner: row.owner,
  opened_at: row.openedAt,
  due_at: row.dueAt,
  overdue: row.isOverdue,
  reason: row.reason,
  changed_by: row.changedBy,
  changed_at: row.changedAt,
  resolved_at: row.resolvedAt,
  events: eventsOf(findings.get(row.id)),
});

const eventsOf = (open: OpenFindings | undefined): ViolationView['events'] =>
  open === undefined ? null : { unacknowledged: open.count, last_seq: open.lastSeq, first: [...open.first] };

/** A violation with the events that it names and that are not acknowledged. */
export const viewWithEvents = async (sql: Sql, row: ViolationRow): Promise<ViolationView> =>
  viewOf(row, await readOpenFindings(sql, [row.id]));
