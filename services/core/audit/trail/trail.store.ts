import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { EVENT_COLUMNS, type EventRow } from '../events.store.ts';
import type { CheckpointRow } from '../log-reader.store.ts';

export type SealedEventRow = EventRow & { readonly leaf: Buffer };
export type PersonalValueRow = {
  readonly event_id: string;
  readonly field: string;
  readonly salt: Buffer;
  readonly value: string;
};

/** Reads one page along the primary key, in its own short snapshot. */
const auditTrailPage = defineStatement('auditTrailPage')`
  SELECT ${EVENT_COLUMNS}, leaf FROM audit_events WHERE seq >= $1 AND seq < $2 ORDER BY seq`;
const auditTrailPersonal = defineStatement('auditTrailPersonal')`
  SELECT event_id, field, salt, value FROM audit_personal WHERE event_id = ANY($1::uuid[])`;
/** Scans the primary key backwards within a range of sizes. */
const auditCheckpointWithin = defineStatement('auditCheckpointWithin')`
  SELECT origin, size, root, note FROM audit_checkpoints WHERE origin = $1 AND size > $2 AND size <= $3
  ORDER BY size DESC LIMIT 1`;
const auditCheckpointsWithin = defineStatement('auditCheckpointsWithin')`
  SELECT origin, size, root, note FROM audit_checkpoints WHERE origin = $1 AND size > $2 AND size <= $3 ORDER BY size`;
/** Scans the whole index of checkpoints. `thinCheckpoints` keeps it small. */
const auditForksRead = defineStatement('auditForksRead')`
  SELECT origin, size FROM audit_checkpoints GROUP BY origin, size HAVING count(*) > 1 ORDER BY origin, size LIMIT 100`;
/** Events outside every log. One statement, so that it sees a sealer's rows and its log in the same state. */
const auditStrayRead = defineStatement('auditStrayRead')`
  (SELECT seq FROM audit_events WHERE seq < 0 ORDER BY seq LIMIT 100)
  UNION ALL (SELECT seq FROM audit_events
    WHERE seq >= (SELECT first_seq + size FROM audit_log ORDER BY audit_log.started_at DESC, origin DESC LIMIT 1) ORDER BY seq LIMIT 100)`;

export const readTrailPage = (sql: Sql, fromSeq: number, toSeq: number): Promise<SealedEventRow[]> =>
  sql.query(auditTrailPage, [fromSeq, toSeq]);

export async function readTrailPersonal(
  sql: Sql,
  eventIds: readonly string[],
): Promise<ReadonlyMap<string, PersonalValueRow[]>> {
  const byEvent = new Map<string, PersonalValueRow[]>();
  for (const row of await sql.query<PersonalValueRow>(auditTrailPersonal, [eventIds]))
    byEvent.set(row.event_id, [...(byEvent.get(row.event_id) ?? []), row]);
  return byEvent;
}

type SignedHead = Omit<CheckpointRow, 'created_at'>;

export async function readLastCheckpointWithin(
  sql: Sql,
  origin: string,
  above: number,
  upTo: number,
): Promise<SignedHead | null> {
  const [row] = await sql.query<SignedHead>(auditCheckpointWithin, [origin, above, upTo]);
  return row ?? null;
}

export const readCheckpointsWithin = (sql: Sql, origin: string, above: number, upTo: number): Promise<SignedHead[]> =>
  sql.query(auditCheckpointsWithin, [origin, above, upTo]);

export const readForks = (sql: Sql): Promise<{ readonly origin: string; readonly size: number }[]> =>
  sql.query(auditForksRead);

/** Events outside every log. */
export const readStrayRows = (sql: Sql): Promise<{ readonly seq: number }[]> => sql.query(auditStrayRead);
