import type { PurgeKind } from '#observability/metrics/cleanup.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';

/** What one statement did. */
export type PurgeBatch = {
  /** Rows past their time that it looked at; fewer than the limit: there are no more. */
  readonly picked: number;
  /** Rows it removed; those that others hold it leaves to the next run. */
  readonly removed: number;
  /** End of the newest row it looked at, as Postgres writes a time; null where it found none. */
  readonly reached: string | null;
};

/** Rows of one kind that go once their time is over. */
export type Purge = {
  readonly kind: PurgeKind;
  /** Removes up to `limit` rows, the oldest first, that ended at `from` or later. Locks rows in id order, waits for none. */
  removeBatch(tx: Sql, limit: number, from: string): Promise<PurgeBatch>;
  /** For how long the oldest row has been overdue, milliseconds by the database's clock; below zero: none is. Null: no rows. */
  readOverdueMs(sql: Sql): Promise<number | null>;
};

/** Where rows of a kind stand and when they go. Every text is SQL of ours, never a value. */
type PurgeTable = {
  readonly kind: PurgeKind;
  readonly table: string;
  readonly id: string;
  /** Column with a row's end; an index leads with it, or the table is all but empty. */
  readonly ends: string;
  /** An interval: how long after its end a row stays. */
  readonly stays: string;
  /** Only these. */
  readonly where?: string;
  /** More steps of the statement, each after a comma; `gone` has the removed rows. */
  readonly also?: string;
};

/**
 * The statements that remove a kind of rows and tell how late that is. They start where the batch before ended, so
 * that the dead entries it left in the index are not walked again; lock in id order, as every writer of many rows
 * does, and wait for nobody.
 */
export function definePurge({ kind, table, id, ends, stays, where = 'true', also = '' }: PurgeTable): Purge {
  const isOver = `${ends} < now() - (${stays}) AND ${where}`;
  const removeBatch = defineStatement(
    `purge_${kind}`,
    `WITH due AS MATERIALIZED (
       SELECT ${id} AS id, ${ends} AS ends FROM ${table} WHERE ${ends} >= $2::timestamptz AND ${isOver} ORDER BY ${ends} LIMIT $1
     ), locked AS MATERIALIZED (
       SELECT ${id} AS id FROM ${table} WHERE ${id} = ANY (ARRAY(SELECT id FROM due)) AND ${isOver}
       ORDER BY ${id} FOR UPDATE SKIP LOCKED
     ), gone AS (DELETE FROM ${table} t USING locked WHERE t.${id} = locked.id RETURNING t.*)${also}
     SELECT (SELECT count(*)::int FROM due) AS picked, (SELECT count(*)::int FROM gone) AS removed,
       (SELECT max(ends)::text FROM due) AS reached`,
  );
  const overdueRead = defineStatement(
    `purge_overdue_${kind}`,
    `SELECT (extract(epoch FROM clock_timestamp() - (${stays}) - min(${ends})) * 1000)::float8 AS ms FROM ${table} WHERE ${where}`,
  );
  return {
    kind,
    removeBatch: async (tx, limit, from) => (await tx.query<PurgeBatch>(removeBatch, [limit, from]))[0] as PurgeBatch,
    readOverdueMs: async (sql) => (await sql.query<{ ms: number | null }>(overdueRead))[0]?.ms ?? null,
  };
}

// The server's own list of sessions; locks nothing. Workers and command lines keep nobody waiting and are left out.
const slowestRead = defineStatement(
  'purgeSlowestStatementRead',
  `SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) * 1000, 0)::float8 AS ms
   FROM pg_stat_activity
   WHERE datname = current_database() AND state = 'active'
     AND application_name IN ('sallyport-main', 'sallyport-refresh', 'sallyport-revocations', 'sallyport-identity')`,
);

/** How long the slowest statement that the API runs at this moment has been running, milliseconds. */
export async function readSlowestStatementMs(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ ms: number }>(slowestRead);
  return row?.ms ?? 0;
}
