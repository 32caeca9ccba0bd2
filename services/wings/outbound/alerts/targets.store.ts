import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { type Circuit, defineCircuit } from '#services/core/shared/retries.store.ts';
import { selectOf } from '#services/platform/define/record.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { TargetKind } from './alert-shapes.ts';
import { type AlertTargetView, alertTargetView } from './contract.ts';
import type { columnsOf } from './target-settings.ts';

/** What a message needs to know of its target. */
export type TargetRow = Circuit & {
  readonly id: string;
  readonly name: string;
  readonly kind: TargetKind;
  readonly sealed: string;
};
/** The address of a target: it is encrypted for the id. */
export type AddressRow = Pick<TargetRow, 'id' | 'name' | 'kind' | 'sealed'> & { readonly shown: string };

const IS_OPEN = 'coalesce(open_until > clock_timestamp(), false)';
/** What requests set, as they set it: the settings and the address. */
const COLUMNS = 'name, sources, severities, sealed, shown';

/**
 * Targets and addresses of the last day that were given up. A limit, because each is told; a person who could reach it with
 * targets that are removed at once is refused the next one, and no address is left out.
 */
const ROWS_MAX = 100;

/** Targets are few: at most ROWS_MAX. */
const targetsRead = defineStatement('alertTargetsRead')`
  SELECT id, name, kind, sealed, failures, ${IS_OPEN} AS is_open FROM alert_targets ORDER BY created_at, id`;
const TARGET = selectOf(alertTargetView.shape, {
  target_id: 'id',
  destination: 'shown',
  min_severity: 'severities[1]',
  is_down: `failures > 0 AND ${IS_OPEN}`,
  waiting: `(SELECT count(*) FROM alert_notices WHERE target_id = t.id AND delivery_id IS NULL)::int
    + (SELECT count(*) FROM alert_deliveries WHERE target_id = t.id AND next_attempt_at IS NOT NULL)::int`,
  created_at: placeTime('created_at'),
});
/** Indexes: alert_notices_waiting, alert_deliveries_open. */
const targetsList = defineStatement('alertTargetsList')`
  SELECT ${TARGET} FROM alert_targets t WHERE removed_at IS NULL AND ($1::uuid IS NULL OR id = $1) ORDER BY t.created_at, id`;
/** The release before reads the time zone of quiet hours, and whether it gets only what escalates. */
const targetInsert = defineStatement('alertTargetInsert')`
  INSERT INTO alert_targets (id, kind, ${COLUMNS}, time_zone, only_escalated)
  SELECT id, kind, ${COLUMNS}, 'UTC', false FROM jsonb_populate_record(NULL::alert_targets, $1)
  WHERE (SELECT count(*) FILTER (WHERE removed_at IS NULL) < $2 AND count(*) < $3 FROM alert_targets)
  ON CONFLICT (name) DO NOTHING RETURNING 1`;
/** In one order. Targets are few. */
const targetsLock = defineStatement('alertTargetsLock')`
  SELECT id, name, kind, sealed, shown FROM alert_targets WHERE removed_at IS NULL ORDER BY id FOR UPDATE`;
const targetUpdate = defineStatement('alertTargetUpdate')`
  UPDATE alert_targets SET (${COLUMNS}) = (SELECT ${COLUMNS} FROM jsonb_populate_record(alert_targets, $2)) WHERE id = $1`;
/** What was at an address that is given up: no alert but those about the oversight reaches it. */
const lastWordInsert = defineStatement('alertLastWordInsert')`
  INSERT INTO alert_targets (id, name, kind, sealed, shown, sources, severities, time_zone, only_escalated, removed_at)
  SELECT $1::uuid, 'removed ' || $1::uuid, $2, $3, $4, '{}', '{}', 'UTC', true, clock_timestamp()
  WHERE (SELECT count(*) FROM alert_targets) < $5 RETURNING 1`;
const lastWordsDelete = defineStatement('alertLastWordsDelete')`
  DELETE FROM alert_targets WHERE removed_at < clock_timestamp() - interval '1 day'`;
const targetDelete = defineStatement('alertTargetDelete', 'DELETE FROM alert_targets WHERE id = $1');
/** Index of what waits: alert_deliveries_open. */
export const targetCircuit = defineCircuit('alertTarget', {
  table: 'alert_targets',
  key: 'id',
  queue: 'alert_deliveries',
  of: 'target_id',
});

export const readTargets = (sql: Sql): Promise<TargetRow[]> => sql.query<TargetRow>(targetsRead);
export const listTargetRows = (sql: Sql, id?: string): Promise<AlertTargetView[]> =>
  sql.query<AlertTargetView>(targetsList, [id ?? null]);

/** Columns by name; an undefined one stays as it is. */
type Columns = ReturnType<typeof columnsOf> & Partial<AddressRow>;

/** False if the name is taken, or if there are `most` targets. */
export const insertTarget = async (tx: Sql, columns: Columns, most: number): Promise<boolean> =>
  (await tx.query(targetInsert, [JSON.stringify(columns), most, ROWS_MAX])).length > 0;
/** All that exist, locked until commit. */
export const lockTargets = (tx: Sql): Promise<AddressRow[]> => tx.query<AddressRow>(targetsLock);
export const updateTarget = async (tx: Sql, id: string, columns: Columns): Promise<void> =>
  void (await tx.query(targetUpdate, [id, JSON.stringify(columns)]));
/** False if too many were kept since yesterday. @param row the address that is given up, sealed for its new id */
export const keepForLastWord = async (tx: Sql, row: Omit<AddressRow, 'name'>): Promise<boolean> =>
  (await tx.query(lastWordInsert, [row.id, row.kind, row.sealed, row.shown, ROWS_MAX])).length > 0;
export const dropLastWords = async (tx: Sql): Promise<void> => void (await tx.query(lastWordsDelete));
export const deleteTarget = async (tx: Sql, id: string): Promise<void> => void (await tx.query(targetDelete, [id]));
