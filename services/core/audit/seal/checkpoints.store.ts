import type { LogHead, Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Keeps an existing row: it may have cosignatures already. */
const auditCheckpointInsert = defineStatement('auditCheckpointInsert')`
  INSERT INTO audit_checkpoints (origin, size, root, note) VALUES ($1, $2, decode($3, 'base64'), $4)
  ON CONFLICT DO NOTHING`;

/** Uses the primary key. More than one root for one size is a fork. */
const auditCheckpointsOfSize = defineStatement('auditCheckpointsOfSize')`
  SELECT encode(root, 'base64') AS root, note FROM audit_checkpoints WHERE origin = $1 AND size = $2`;

const auditCheckpointCosign = defineStatement('auditCheckpointCosign')`
  UPDATE audit_checkpoints SET note = note || $4
  WHERE origin = $1 AND size = $2 AND root = decode($3, 'base64') AND strpos(note, $4) = 0`;

/**
 * For hours more than a week ago, keeps the last checkpoint of each hour and every checkpoint that proves a fork. Reads
 * one batch along the primary key. The last row of a batch stays and begins the next batch, because whether it is the
 * last of its hour depends on the row after it.
 */
const auditCheckpointsThin = defineStatement('auditCheckpointsThin')`
  WITH page AS MATERIALIZED (
    SELECT origin, size, root, created_at FROM audit_checkpoints
    WHERE (origin, size) >= ($1, $2) AND created_at < clock_timestamp() - interval '7 days'
    ORDER BY origin, size, root LIMIT $3
  ), old AS (
    SELECT origin, size, root, date_trunc('hour', created_at) = date_trunc('hour', lead(created_at) OVER log) AS is_superseded,
      count(*) OVER (PARTITION BY origin, size) AS roots
    FROM page WINDOW log AS (PARTITION BY origin ORDER BY size, root)
  ), deleted AS (
    DELETE FROM audit_checkpoints c USING old
    WHERE is_superseded AND roots = 1 AND c.origin = old.origin AND c.size = old.size AND c.root = old.root RETURNING 1
  ), last AS (SELECT origin, size FROM page ORDER BY origin DESC, size DESC LIMIT 1)
  SELECT (SELECT count(*)::int FROM page) AS examined, (SELECT count(*)::int FROM deleted) AS removed,
    (SELECT origin FROM last) AS origin, (SELECT size FROM last) AS size`;

const auditSinksRead = defineStatement('auditSinksRead', 'SELECT sink, origin, size FROM audit_sinks');

/** Never lowers the size within one log: another worker may have published a newer checkpoint. */
const auditSinkReached = defineStatement('auditSinkReached')`
  INSERT INTO audit_sinks AS s (sink, origin, size, published_at) VALUES ($1, $2, $3, clock_timestamp())
  ON CONFLICT (sink) DO UPDATE SET origin = $2, size = CASE WHEN s.origin = $2 THEN greatest(s.size, $3) ELSE $3 END,
    published_at = clock_timestamp(), failing_since = NULL`;

const auditSinkFailed = defineStatement('auditSinkFailed')`
  INSERT INTO audit_sinks AS s (sink, origin, size, failing_since, failures) VALUES ($1, $2, 0, clock_timestamp(), 1)
  ON CONFLICT (sink) DO UPDATE SET failing_since = coalesce(s.failing_since, clock_timestamp()), failures = s.failures + 1`;

export const insertCheckpoint = (sql: Sql, { origin, size, root }: LogHead, note: string): Promise<unknown> =>
  sql.query(auditCheckpointInsert, [origin, size, root, note]);

export const readCheckpointsOfSize = (
  sql: Sql,
  { origin, size }: LogHead,
): Promise<{ readonly root: string; readonly note: string }[]> => sql.query(auditCheckpointsOfSize, [origin, size]);

export const addCosignature = (sql: Sql, { origin, size, root }: LogHead, line: string): Promise<unknown> =>
  sql.query(auditCheckpointCosign, [origin, size, root, line]);

type ThinnedBatch = {
  readonly examined: number;
  readonly removed: number;
  /** The last row examined; null if there was none. */
  readonly origin: string | null;
  readonly size: number | null;
};

/** Examines up to `limit` checkpoints more than a week old, beginning with `from`. */
export async function thinCheckpointBatch(
  tx: Sql,
  from: { readonly origin: string; readonly size: number },
  limit: number,
): Promise<ThinnedBatch> {
  const [batch] = await tx.query<ThinnedBatch>(auditCheckpointsThin, [from.origin, from.size, limit]);
  return batch as ThinnedBatch;
}

export type SinkRow = { readonly sink: string; readonly origin: string; readonly size: number };
export const readSinks = (sql: Sql): Promise<SinkRow[]> => sql.query(auditSinksRead);

export const storeSinkReached = (sql: Sql, sink: string, { origin, size }: LogHead): Promise<unknown> =>
  sql.query(auditSinkReached, [sink, origin, size]);

export const storeSinkFailed = (sql: Sql, sink: string, { origin }: LogHead): Promise<unknown> =>
  sql.query(auditSinkFailed, [sink, origin]);
