import type { LogMark, Sql } from '#services/domain/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Signed again it is the same but for cosignatures, which the first keeps. */
const auditCheckpointInsert = defineStatement(
  'auditCheckpointInsert',
  `INSERT INTO audit_checkpoints (origin, size, root, note) VALUES ($1, $2, decode($3, 'base64'), $4)
   ON CONFLICT DO NOTHING`,
);

/** All heads of one size, by the primary key: more than one is a fork. */
const auditCheckpointsOfSize = defineStatement(
  'auditCheckpointsOfSize',
  `SELECT encode(root, 'base64') AS root, note FROM audit_checkpoints WHERE origin = $1 AND size = $2`,
);

const auditCheckpointCosign = defineStatement(
  'auditCheckpointCosign',
  `UPDATE audit_checkpoints SET note = note || $4
   WHERE origin = $1 AND size = $2 AND root = decode($3, 'base64') AND strpos(note, $4) = 0`,
);

/**
 * Of each hour that is over a week old the last one stays, and every one that has a twin of another root. Looks at so
 * many, along the primary key; the last of them stays and is the first of the next batch, beside what follows it.
 */
const auditCheckpointsThin = defineStatement(
  'auditCheckpointsThin',
  `WITH page AS MATERIALIZED (
     SELECT origin, size, root, created_at FROM audit_checkpoints
     WHERE (origin, size) >= ($1, $2) AND created_at < clock_timestamp() - interval '7 days'
     ORDER BY origin, size, root LIMIT $3
   ), old AS (
     SELECT origin, size, root, date_trunc('hour', created_at) = date_trunc('hour', lead(created_at) OVER log) AS is_followed,
       count(*) OVER (PARTITION BY origin, size) AS twins
     FROM page WINDOW log AS (PARTITION BY origin ORDER BY size, root)
   ), gone AS (
     DELETE FROM audit_checkpoints c USING old
     WHERE is_followed AND twins = 1 AND c.origin = old.origin AND c.size = old.size AND c.root = old.root RETURNING 1
   ), reached AS (SELECT origin, size FROM page ORDER BY origin DESC, size DESC LIMIT 1)
   SELECT (SELECT count(*)::int FROM page) AS looked, (SELECT count(*)::int FROM gone) AS removed,
     (SELECT origin FROM reached) AS origin, (SELECT size FROM reached) AS size`,
);

const auditSinksRead = defineStatement('auditSinksRead', 'SELECT sink, origin, size FROM audit_sinks');

/** Never back to a smaller head of the same log: another worker may have been faster. */
const auditSinkReached = defineStatement(
  'auditSinkReached',
  `INSERT INTO audit_sinks AS s (sink, origin, size, published_at) VALUES ($1, $2, $3, clock_timestamp())
   ON CONFLICT (sink) DO UPDATE SET origin = $2, size = CASE WHEN s.origin = $2 THEN greatest(s.size, $3) ELSE $3 END,
     published_at = clock_timestamp(), failing_since = NULL`,
);

const auditSinkFailed = defineStatement(
  'auditSinkFailed',
  `INSERT INTO audit_sinks AS s (sink, origin, size, failing_since, failures) VALUES ($1, $2, 0, clock_timestamp(), 1)
   ON CONFLICT (sink) DO UPDATE SET failing_since = coalesce(s.failing_since, clock_timestamp()), failures = s.failures + 1`,
);

export const insertCheckpoint = (sql: Sql, { origin, size, root }: LogMark, note: string): Promise<unknown> =>
  sql.query(auditCheckpointInsert, [origin, size, root, note]);

export const readCheckpointsOfSize = (
  sql: Sql,
  { origin, size }: LogMark,
): Promise<{ readonly root: string; readonly note: string }[]> => sql.query(auditCheckpointsOfSize, [origin, size]);

export const addCosignature = (sql: Sql, { origin, size, root }: LogMark, line: string): Promise<unknown> =>
  sql.query(auditCheckpointCosign, [origin, size, root, line]);

export type ThinnedBatch = {
  readonly looked: number;
  readonly removed: number;
  /** The last one it looked at; null where it found none. */
  readonly origin: string | null;
  readonly size: number | null;
};

/** Looks at up to `limit` old ones from this one on. */
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

export const noteSinkReached = (sql: Sql, sink: string, { origin, size }: LogMark): Promise<unknown> =>
  sql.query(auditSinkReached, [sink, origin, size]);

export const noteSinkFailed = (sql: Sql, sink: string, { origin }: LogMark): Promise<unknown> =>
  sql.query(auditSinkFailed, [sink, origin]);
