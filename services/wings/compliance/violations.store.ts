import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { ViolationView } from './contract.ts';
import type { ViolationState } from './control-shapes.ts';

export type ViolationRow = Omit<ViolationView, 'events'>;

const COLUMNS = `id AS violation_id, control AS control_id, state, exception_count, detail, owner, ${placeTime('opened_at')} AS opened_at,
  ${placeTime('due_at')} AS due_at, (due_at < clock_timestamp() AND state IN ('open', 'assigned')) AS overdue, reason,
  changed_by, ${placeTime('changed_at')} AS changed_at, ${placeTime('resolved_at')} AS resolved_at`;

/** Index: compliance_violations_one_open. Returns the row only if it is new. */
const violationOpen = defineStatement('complianceViolationOpen')`
  INSERT INTO compliance_violations (id, control, exception_count, detail, due_at)
  VALUES ($1, $2, $3, left($4, 500), clock_timestamp() + make_interval(days => $5))
  ON CONFLICT (control) WHERE resolved_at IS NULL DO NOTHING RETURNING ${COLUMNS}`;
/** Index: compliance_violations_one_open. */
const violationRefresh = defineStatement('complianceViolationRefresh')`
  UPDATE compliance_violations SET exception_count = $2, detail = left($3, 500)
  WHERE control = $1 AND resolved_at IS NULL AND (exception_count <> $2 OR detail IS DISTINCT FROM left($3, 500))`;
/** Index: compliance_violations_one_open. */
const violationResolve = defineStatement('complianceViolationResolve')`
  UPDATE compliance_violations SET state = 'resolved', resolved_at = clock_timestamp(), changed_at = clock_timestamp(),
    changed_by = $2, reason = $3 WHERE control = $1 AND resolved_at IS NULL RETURNING ${COLUMNS}`;
const violationLock = defineStatement('complianceViolationLock')`
  SELECT ${COLUMNS} FROM compliance_violations WHERE id = $1 FOR UPDATE`;
const violationChange = defineStatement('complianceViolationChange')`
  UPDATE compliance_violations SET state = $2, owner = coalesce($3, owner), due_at = coalesce($4::timestamptz, due_at), reason = $5,
    changed_by = $6, changed_at = clock_timestamp() WHERE id = $1 RETURNING ${COLUMNS}`;
/** Index: compliance_violations_opened_at, backwards. */
const violationsPage = defineStatement('complianceViolationsPage')`
  SELECT ${COLUMNS} FROM compliance_violations WHERE (opened_at, id) < ($1::timestamptz, $2::uuid)
    AND ($3::text IS NULL OR state = $3) AND ($4::text IS NULL OR control = $4) AND ($5::boolean IS NOT TRUE OR resolved_at IS NULL)
  ORDER BY compliance_violations.opened_at DESC, id DESC LIMIT $6`;

/** Kept for six years after they were resolved (45 CFR 164.316(b)(2)(i)). */
export const violationPurge = definePurge({
  table: 'compliance_violations',
  ends: 'resolved_at',
  stays: `interval '6 years 1 day'`,
  where: 'resolved_at IS NOT NULL',
});

export const openViolation = async (
  tx: Sql,
  row: {
    readonly id: string;
    readonly control: string;
    readonly exceptionCount: number;
    readonly detail: string | null;
    readonly dueDays: number;
  },
): Promise<ViolationRow | undefined> => {
  const [opened] = await tx.query<ViolationRow>(violationOpen, [
    row.id,
    row.control,
    row.exceptionCount,
    row.detail,
    row.dueDays,
  ]);
  if (opened === undefined) await tx.query(violationRefresh, [row.control, row.exceptionCount, row.detail]);
  return opened;
};
export const resolveViolation = async (
  tx: Sql,
  row: { readonly control: string; readonly by: string; readonly reason: string },
): Promise<ViolationRow | undefined> =>
  (await tx.query<ViolationRow>(violationResolve, [row.control, row.by, row.reason]))[0];
export const lockViolation = async (tx: Sql, id: string): Promise<ViolationRow | undefined> =>
  (await tx.query<ViolationRow>(violationLock, [id]))[0];
export const changeViolationRow = async (
  tx: Sql,
  row: {
    readonly id: string;
    readonly state: ViolationState;
    readonly owner: string | null;
    readonly dueAt: string | null;
    readonly reason: string;
    readonly by: string;
  },
): Promise<ViolationRow> =>
  (
    await tx.query<ViolationRow>(violationChange, [row.id, row.state, row.owner, row.dueAt, row.reason, row.by])
  )[0] as ViolationRow;
export const readViolationsPage = (
  sql: Sql,
  filter: {
    readonly state?: string | undefined;
    readonly control?: string | undefined;
    readonly isUnresolved?: boolean | undefined;
  },
  after: readonly string[] | undefined,
  limit: number,
): Promise<ViolationRow[]> =>
  sql.query<ViolationRow>(violationsPage, [
    after?.[0] ?? 'infinity',
    after?.[1] ?? 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    filter.state ?? null,
    filter.control ?? null,
    filter.isUnresolved ?? null,
    limit,
  ]);
