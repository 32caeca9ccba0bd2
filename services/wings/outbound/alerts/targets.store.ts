import type { Sql } from '#services/core/ports.ts';
import type { Severity } from '#services/core/security/incident-shapes.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { TargetKind, TargetSource } from './alert-shapes.ts';

/** What a message needs to know of its target. */
export type TargetRow = {
  readonly id: string;
  readonly name: string;
  readonly kind: TargetKind;
  readonly sealed: string;
  readonly shown: string;
  readonly sources: readonly TargetSource[];
  readonly severities: readonly Severity[];
  /** Failed batches in a row. */
  readonly failures: number;
  /** Whether nothing may be sent now, because the target failed repeatedly. */
  readonly isOpen: boolean;
  readonly createdAt: string;
};
export type ListedTarget = TargetRow & { readonly waiting: number };

const COLUMNS = `id, name, kind, sealed, shown, sources, severities, failures,
  coalesce(open_until > clock_timestamp(), false) AS "isOpen",
  ${placeTime('created_at')} AS "createdAt"`;

/**
 * Targets and addresses of the last day that were given up. A limit, because each is told; a person who could reach it with
 * targets that are removed at once is refused the next one, and no address is left out.
 */
const ROWS_MAX = 100;

/** Targets are few: at most ROWS_MAX. */
const targetsRead = defineStatement('alertTargetsRead', `SELECT ${COLUMNS} FROM alert_targets ORDER BY created_at, id`);
/** Indexes: alert_notices_waiting, alert_deliveries_open. */
const targetsList = defineStatement(
  'alertTargetsList',
  `SELECT ${COLUMNS},
     (SELECT count(*) FROM alert_notices WHERE target_id = t.id AND delivery_id IS NULL)::int
     + (SELECT count(*) FROM alert_deliveries WHERE target_id = t.id AND next_attempt_at IS NOT NULL)::int AS waiting
   FROM alert_targets t WHERE removed_at IS NULL AND ($1::uuid IS NULL OR id = $1) ORDER BY created_at, id`,
);
/** The release before reads the time zone of quiet hours, and whether it gets only what escalates. */
const targetInsert = defineStatement(
  'alertTargetInsert',
  `INSERT INTO alert_targets (id, name, kind, sealed, shown, sources, severities, time_zone, only_escalated)
   SELECT $1, $2, $3, $4, $5, $6, $7, 'UTC', false
   WHERE (SELECT count(*) FILTER (WHERE removed_at IS NULL) < $8 AND count(*) < $9 FROM alert_targets)
   ON CONFLICT (name) DO NOTHING RETURNING 1`,
);
/** In one order. Targets are few. */
const targetsLock = defineStatement('alertTargetsLock', 'SELECT 1 FROM alert_targets ORDER BY id FOR UPDATE');
const targetUpdate = defineStatement(
  'alertTargetUpdate',
  `UPDATE alert_targets SET name = $2, sealed = $3, shown = $4, sources = $5, severities = $6 WHERE id = $1`,
);
/** What was at an address that is given up: no alert but those about the oversight reaches it. */
const lastWordInsert = defineStatement(
  'alertLastWordInsert',
  `INSERT INTO alert_targets (id, name, kind, sealed, shown, sources, severities, time_zone, only_escalated, removed_at)
   SELECT $1::uuid, 'removed ' || $1::uuid, $2, $3, $4, '{}', '{}', 'UTC', true, clock_timestamp()
   WHERE (SELECT count(*) FROM alert_targets) < $5 RETURNING 1`,
);
const lastWordsDelete = defineStatement(
  'alertLastWordsDelete',
  `DELETE FROM alert_targets WHERE removed_at < clock_timestamp() - interval '1 day'`,
);
const targetDelete = defineStatement('alertTargetDelete', 'DELETE FROM alert_targets WHERE id = $1');
/** Without a pause it is open for no time: the column rounds to milliseconds, and a time rounded up is not over yet. */
const targetFail = defineStatement(
  'alertTargetFail',
  `UPDATE alert_targets SET failures = failures + 1,
     open_until = date_trunc('milliseconds', clock_timestamp()) + make_interval(secs => $2)
   WHERE id = $1`,
);
const targetRecover = defineStatement(
  'alertTargetRecover',
  'UPDATE alert_targets SET failures = 0, open_until = NULL WHERE id = $1 AND failures > 0 RETURNING 1',
);

export const readTargets = (sql: Sql): Promise<TargetRow[]> => sql.query<TargetRow>(targetsRead);
export const listTargetRows = (sql: Sql, id?: string): Promise<ListedTarget[]> =>
  sql.query<ListedTarget>(targetsList, [id ?? null]);

export type NewTargetRow = Omit<TargetRow, 'failures' | 'isOpen' | 'createdAt'>;

/** False if the name is taken, or if there are `most` targets. */
export async function insertTarget(tx: Sql, row: NewTargetRow, most: number): Promise<boolean> {
  const inserted = await tx.query(targetInsert, [
    row.id,
    row.name,
    row.kind,
    row.sealed,
    row.shown,
    row.sources,
    row.severities,
    most,
    ROWS_MAX,
  ]);
  return inserted.length > 0;
}
export const lockTargets = async (tx: Sql): Promise<void> => void (await tx.query(targetsLock));
export async function updateTarget(tx: Sql, row: Omit<NewTargetRow, 'kind'>): Promise<void> {
  await tx.query(targetUpdate, [row.id, row.name, row.sealed, row.shown, row.sources, row.severities]);
}
/** False if too many were kept since yesterday. @param row the address that is given up, sealed for its new id */
export const keepForLastWord = async (
  tx: Sql,
  row: Pick<TargetRow, 'id' | 'kind' | 'sealed' | 'shown'>,
): Promise<boolean> => (await tx.query(lastWordInsert, [row.id, row.kind, row.sealed, row.shown, ROWS_MAX])).length > 0;
export const dropLastWords = async (tx: Sql): Promise<void> => void (await tx.query(lastWordsDelete));
export const deleteTarget = async (tx: Sql, id: string): Promise<void> => void (await tx.query(targetDelete, [id]));
/** @param pauseSeconds nothing is sent for this time */
export const failTarget = async (sql: Sql, id: string, pauseSeconds: number): Promise<void> =>
  void (await sql.query(targetFail, [id, pauseSeconds]));
/** False if it had not failed. */
export const recoverTarget = async (sql: Sql, id: string): Promise<boolean> =>
  (await sql.query(targetRecover, [id])).length > 0;
