import { defineStatement } from '../../../platform/define/statement.ts';
import type { AuditRow } from '../../audit/record-event.ts';
import type { Sql } from '../../ports.ts';

/** Rows of token_totals: concurrent batches rarely meet on one. */
const TOTAL_SLOTS = 16;

// Locks one totals row for its own length. A batch sent twice inserts and counts nothing the second time (its event ids fix its times).
const clientTokenRecordBatch = defineStatement(
  'clientTokenRecordBatch',
  `WITH logged AS (
     INSERT INTO audit_outbox
       (event_id, type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail, traceparent,
         occurred_at)
     SELECT e.*, audit_event_at(e.event_id) FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
       $9::text[], $10::text[], $11::jsonb[], $12::text[])
       AS e(event_id, type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail, traceparent)
     ON CONFLICT (event_id, occurred_at) DO NOTHING RETURNING outcome
   )
   UPDATE token_totals SET issued = issued + (SELECT count(*) FROM logged WHERE outcome = 'ok') WHERE slot = $13`,
);

/** Records tokens that clients got, and refusals, in one commit; every row carries its event id. */
export async function recordClientTokens(sql: Sql, rows: readonly AuditRow[], turn: number): Promise<void> {
  const columns = Array.from({ length: 12 }, (_, column) => rows.map((row) => row[column]));
  await sql.query(clientTokenRecordBatch, [...columns, turn % TOTAL_SLOTS]);
}
