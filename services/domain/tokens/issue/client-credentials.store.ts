import type { AuditRow } from '#services/domain/audit/record-event.ts';
import type { Marks, Sql } from '#services/domain/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { databaseIsKnown, seenValues } from '../revocations/seen-state.ts';

/** Rows of token_totals: concurrent batches rarely meet on one. */
const TOTAL_SLOTS = 16;

// Locks one totals row for its own length. A batch sent twice inserts and counts nothing the second time (its event ids fix its times).
const clientTokenRecordBatch = defineStatement(
  'clientTokenRecordBatch',
  `WITH database AS MATERIALIZED (
     ${databaseIsKnown(['$3', '$4', '$5'])}
   ), logged AS (
     INSERT INTO audit_outbox
       (event_id, type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail, traceparent,
         occurred_at)
     SELECT (e->>0)::uuid, e->>1, e->>2, e->>3, e->>4, e->>5, e->>6, e->>7, e->>8, e->>9, (e->>10)::jsonb, e->>11,
       audit_event_at((e->>0)::uuid)
     FROM jsonb_array_elements($1::jsonb) AS e WHERE (SELECT is_known FROM database)
     ON CONFLICT (event_id, occurred_at) DO NOTHING RETURNING outcome
   )
   UPDATE token_totals SET issued = issued + (SELECT count(*) FROM logged WHERE outcome = 'ok') WHERE slot = $2 AND (SELECT is_known FROM database)
   RETURNING slot`,
);

/**
 * Records tokens that clients got, and refusals, in one commit; every row carries its event id.
 * @returns false, and nothing was written: the database is behind what was seen of it, or another
 */
export async function recordClientTokens(
  sql: Sql,
  rows: readonly AuditRow[],
  turn: number,
  seen: Marks | null,
): Promise<boolean> {
  // One text: the driver's own spelling of arrays costs a row four times as much.
  const values = [JSON.stringify(rows), turn % TOTAL_SLOTS, ...seenValues(seen)];
  return (await sql.query(clientTokenRecordBatch, values)).length > 0;
}
