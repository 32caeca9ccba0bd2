import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Reads one page along the primary key. */
const auditTilesAfter = defineStatement('auditTilesAfter')`
  SELECT level, n, hashes FROM audit_tiles WHERE origin = $1 AND (level, n) > ($2::smallint, $3::bigint)
  ORDER BY level, n LIMIT $4`;
const auditPersonalOfEvents = defineStatement('auditPersonalOfEvents')`
  SELECT e.event_id, field, encode(salt, 'base64') AS salt, value
  FROM audit_events e JOIN audit_personal p ON p.event_id = e.event_id
  WHERE e.seq >= $1 AND e.seq < $2 ORDER BY e.seq, field`;
/** Scans audit_events_occurred_at over the period. */
const auditSeqRange = defineStatement('auditSeqRange')`
  SELECT min(seq) AS first, max(seq) AS last FROM audit_events WHERE occurred_at >= $1 AND occurred_at <= $2`;

type StoredTile = { readonly level: number; readonly n: number; readonly hashes: Buffer };

export const readTilesAfter = (
  sql: Sql,
  origin: string,
  after: { readonly level: number; readonly n: number },
  limit: number,
): Promise<StoredTile[]> => sql.query(auditTilesAfter, [origin, after.level, after.n, limit]);

export const readPersonalOfEvents = (
  sql: Sql,
  fromSeq: number,
  toSeq: number,
): Promise<{ readonly event_id: string; readonly field: string; readonly salt: string; readonly value: string }[]> =>
  sql.query(auditPersonalOfEvents, [fromSeq, toSeq]);

export async function readSeqRange(
  sql: Sql,
  from: string,
  to: string,
): Promise<{ readonly first: number; readonly last: number } | null> {
  const [row] = await sql.query<{ first: number | null; last: number | null }>(auditSeqRange, [from, to]);
  return row?.first == null || row.last == null ? null : { first: row.first, last: row.last };
}
