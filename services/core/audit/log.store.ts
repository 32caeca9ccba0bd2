import { defineStatement } from '#services/platform/define/statement.ts';
import type { LogHead, Sql } from '../ports.ts';
import { emptyRoot } from './log/merkle.ts';
import type { StopReason } from './log-status.ts';

export type OpenLog = LogHead & {
  readonly first_seq: number;
  readonly erasures: number;
  readonly stopped_reason: StopReason | null;
};

/**
 * Forces index scans in index order until the transaction ends. With statistics that are minutes old the planner
 * would choose plans that read the whole backlog for every batch.
 */
export const auditPlansByIndex = defineStatement('auditPlansByIndex')`
  SELECT set_config(name, 'off', true) FROM unnest('{enable_hashjoin,enable_mergejoin,enable_material,enable_seqscan,
    enable_bitmapscan,enable_sort}'::text[]) AS name`;

/** Allows one writer at a time: sealing, `continue` or `erase`. Released at commit. */
const auditLogLock = defineStatement('auditLogLock', 'SELECT pg_advisory_xact_lock(72707371)');

/** Scans the whole table, a few rows. */
const auditLogOpenRead = defineStatement('auditLogOpenRead')`
  SELECT origin, size, encode(root, 'base64') AS root, first_seq, erasures, stopped_reason
  FROM audit_log WHERE closed_at IS NULL`;

/** Inserts nothing if a log is open already: an exclusion constraint allows one. */
const auditLogOpen = defineStatement('auditLogOpen')`
  INSERT INTO audit_log (origin, first_seq, root, previous, previous_size, previous_root)
  VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`;

/** Compare-and-set: changes nothing if since the read the log grew, was closed, or a subject was erased. */
const auditLogGrow = defineStatement('auditLogGrow')`
  UPDATE audit_log SET size = $4, root = decode($5, 'base64')
  WHERE origin = $1 AND size = $2 AND erasures = $3 AND closed_at IS NULL RETURNING 1`;

const auditLogClose = defineStatement('auditLogClose')`
  UPDATE audit_log SET closed_at = clock_timestamp() WHERE origin = $1 AND closed_at IS NULL RETURNING 1`;

/** Returns a row only if the reason changed. */
const auditLogStop = defineStatement('auditLogStop')`
  UPDATE audit_log SET stopped_reason = $2, stopped_at = CASE WHEN $2::text IS NULL THEN NULL ELSE clock_timestamp() END
  WHERE origin = $1 AND stopped_reason IS DISTINCT FROM $2 RETURNING 1`;

const auditLogErasureCount = defineStatement('auditLogErasureCount')`
  UPDATE audit_log SET erasures = erasures + 1 WHERE closed_at IS NULL`;

export const planByIndex = (tx: Sql): Promise<unknown> => tx.query(auditPlansByIndex);

export async function lockLog(tx: Sql): Promise<void> {
  await tx.query(auditLogLock);
  await planByIndex(tx);
}

export const readOpenLog = async (sql: Sql): Promise<OpenLog | null> =>
  (await sql.query<OpenLog>(auditLogOpenRead))[0] ?? null;

export async function openLog(tx: Sql, origin: string, firstSeq: number, previous: LogHead | null): Promise<void> {
  const root = previous === null ? null : Buffer.from(previous.root, 'base64');
  await tx.query(auditLogOpen, [origin, firstSeq, emptyRoot(), previous?.origin, previous?.size, root]);
}

/** False: the log changed since it was read. */
export const growLog = async (tx: Sql, log: OpenLog, size: number, root: string): Promise<boolean> =>
  (await tx.query(auditLogGrow, [log.origin, log.size, log.erasures, size, root])).length === 1;

export const closeLog = async (tx: Sql, origin: string): Promise<boolean> =>
  (await tx.query(auditLogClose, [origin])).length === 1;

/** Stores why sealing stopped; null: it resumed. True if this is a change. */
export const storeStop = async (tx: Sql, origin: string, reason: StopReason | null): Promise<boolean> =>
  (await tx.query(auditLogStop, [origin, reason])).length === 1;

export const countErasure = (tx: Sql): Promise<unknown> => tx.query(auditLogErasureCount);
