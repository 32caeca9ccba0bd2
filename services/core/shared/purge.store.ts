import type { PurgeKind } from '#observability/metrics/cleanup.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { Ports, Sql } from '../ports.ts';

export type PurgeBatch = {
  /** Expired rows it read; fewer than the limit means there are no more. */
  readonly picked: number;
  /** Rows it removed; locked rows are left to the next run. */
  readonly removed: number;
  /** Expiry of the newest row it read, in Postgres' text form; null where it found none. */
  readonly reached: string | null;
};

/** Rows of one kind that are removed after they expire. */
export type Purge = {
  readonly kind: PurgeKind;
  /** Removes up to `limit` rows, the oldest first, that expired at `from` or later. Locks rows in id order, skips locked ones. */
  removeBatch(tx: Sql, limit: number, from: string): Promise<PurgeBatch>;
  /**
   * How long the oldest row has been overdue, milliseconds by the database's clock. Below zero when none is: the time
   * until a row can be, at the earliest. Null: no rows.
   */
  readOverdueMs(sql: Sql): Promise<number | null>;
};

/** The table of a kind of rows, and when rows expire. Every text is constant SQL, never a value. */
type PurgeTable = (
  | { readonly table: PurgeKind; readonly kind?: never }
  // Where the rows are not all of the table, or its name is not that of the kind.
  | { readonly table: string; readonly kind: PurgeKind }
) & {
  /** Column that names a row; `id` by default. */
  readonly id?: string;
  /** Column with a row's expiry; an index leads with it, or the table is nearly empty. */
  readonly ends: string;
  /** An interval: how long a row is kept after it expired. */
  readonly stays: string;
  /** Condition: only these rows. */
  readonly where?: string;
  /** More steps of the statement, each after a comma; `gone` has the removed rows. */
  readonly also?: string;
};

/**
 * The statements that remove a kind of rows and measure the delay. They start where the previous batch ended, so that
 * the dead entries it left in the index are not scanned again; they lock in id order, as every writer of many rows does,
 * and skip locked rows.
 */
export function definePurge({ table, id = 'id', ends, stays, where = 'true', also = '', ...given }: PurgeTable): Purge {
  const kind = given.kind ?? (table as PurgeKind);
  const isOver = `${ends} < now() - (${stays}) AND ${where}`;
  const removeBatch = defineStatement(`purge_${kind}`)`
    WITH due AS MATERIALIZED (
      SELECT ${id} AS id, ${ends} AS ends FROM ${table} WHERE ${ends} >= $2::timestamptz AND ${isOver} ORDER BY ${ends} LIMIT $1
    ), locked AS MATERIALIZED (
      SELECT ${id} AS id FROM ${table} WHERE ${id} = ANY (ARRAY(SELECT id FROM due)) AND ${isOver}
      ORDER BY ${id} FOR UPDATE SKIP LOCKED
    ), gone AS (DELETE FROM ${table} t USING locked WHERE t.${id} = locked.id RETURNING t.*)${also}
    SELECT (SELECT count(*)::int FROM due) AS picked, (SELECT count(*)::int FROM gone) AS removed,
      (SELECT max(ends)::text FROM due) AS reached`;
  // Two looks into the index. One with the condition alone would read every row that stays: on most days, all.
  const overdueRead = defineStatement(`purge_overdue_${kind}`)`
    SELECT (extract(epoch FROM clock_timestamp() - (${stays}) - coalesce(
      (SELECT ${ends} FROM ${table} WHERE ${isOver} ORDER BY ${ends} LIMIT 1),
      (SELECT ${ends} FROM ${table} WHERE ${ends} >= now() - (${stays}) ORDER BY ${ends} LIMIT 1))) * 1000)::float8 AS ms`;
  return {
    kind,
    removeBatch: async (tx, limit, from) => (await tx.query<PurgeBatch>(removeBatch, [limit, from]))[0] as PurgeBatch,
    readOverdueMs: async (sql) => (await sql.query<{ ms: number | null }>(overdueRead))[0]?.ms ?? null,
  };
}

// Reads pg_stat_activity and locks nothing. Workers and command lines are left out: no client waits for them.
const slowestRead = defineStatement('purgeSlowestStatementRead')`
  SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) * 1000, 0)::float8 AS ms
  FROM pg_stat_activity
  WHERE datname = current_database() AND state = 'active'
    AND application_name IN ('sallyport-main', 'sallyport-refresh', 'sallyport-revocations', 'sallyport-identity')`;

/** The role of a process does not see the state of other sessions; the database user of the process sees its own. */
const ownUserTake = defineStatement('purgeOwnUserTake', 'SET LOCAL ROLE NONE');

/**
 * How long the slowest running statement of the API has been running, milliseconds. Zero where the API connects as
 * another database user than this process, unless this one is a member of `pg_read_all_stats`.
 */
export const readSlowestStatementMs = ({ transact }: Pick<Ports, 'transact'>): Promise<number> =>
  transact(async (tx) => {
    await tx.query(ownUserTake);
    const [row] = await tx.query<{ ms: number }>(slowestRead);
    return row?.ms ?? 0;
  });
