import type { AuditRow } from '#services/core/audit/record-event.ts';
import type { Marks, Sql } from '#services/core/ports.ts';
import { databaseIsKnown, seenValues } from '#services/core/revocations/database-guard.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Rows of token_totals: concurrent batches rarely update the same one. */
const TOTAL_SLOTS = 16;

// Locks one totals row until it commits. A batch sent twice inserts and counts nothing the second time, because its event
// ids fix its times.
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
 * Records issued client-credentials tokens, and refusals, in one commit. Every row carries its event id.
 * @param batch number of the batch: batches in sequence update different totals rows
 * @returns false when nothing was written, because the database is behind the state that this copy has seen, or is
 * another database
 */
export async function recordClientTokens(
  sql: Sql,
  rows: readonly AuditRow[],
  batch: number,
  seen: Marks | null,
): Promise<boolean> {
  // The rows are one JSON text, because the driver's encoding of arrays costs four times as much for each row.
  const values = [JSON.stringify(rows), batch % TOTAL_SLOTS, ...seenValues(seen)];
  return (await sql.query(clientTokenRecordBatch, values)).length > 0;
}
