import { defineStatement } from '../../platform/define/statement.ts';
import type { LogMark, Sql } from '../ports.ts';

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

// Of each hour that is over a week old the last one stays, and every one that has a twin of another root.
const auditCheckpointsThin = defineStatement(
  'auditCheckpointsThin',
  `DELETE FROM audit_checkpoints c USING (
     SELECT origin, size, root,
       row_number() OVER (PARTITION BY origin, date_trunc('hour', created_at) ORDER BY size DESC) AS nth,
       count(*) OVER (PARTITION BY origin, size) AS twins
     FROM audit_checkpoints WHERE created_at < clock_timestamp() - interval '7 days'
   ) old
   WHERE nth > 1 AND twins = 1 AND c.origin = old.origin AND c.size = old.size AND c.root = old.root RETURNING 1`,
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

export const deleteOldCheckpoints = async (sql: Sql): Promise<number> => (await sql.query(auditCheckpointsThin)).length;

export type SinkRow = { readonly sink: string; readonly origin: string; readonly size: number };
export const readSinks = (sql: Sql): Promise<SinkRow[]> => sql.query(auditSinksRead);

export const noteSinkReached = (sql: Sql, sink: string, { origin, size }: LogMark): Promise<unknown> =>
  sql.query(auditSinkReached, [sink, origin, size]);

export const noteSinkFailed = (sql: Sql, sink: string, { origin }: LogMark): Promise<unknown> =>
  sql.query(auditSinkFailed, [sink, origin]);
