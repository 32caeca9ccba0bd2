import { defineStatement } from '#services/platform/define/statement.ts';

/** Inserts one event. Takes no row lock and reads no index. */
export const auditOutboxInsert = defineStatement('auditOutboxInsert')`
  INSERT INTO audit_outbox
    (event_id, type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail, traceparent,
      occurred_at)
  VALUES (coalesce($1::uuid, gen_random_uuid()), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12, audit_event_at($1::uuid))`;

/** The row triggers read these settings with audit_context(). `true` limits them to the transaction. */
export const auditContextSet = defineStatement('auditContextSet')`
  SELECT set_config('sallyport.actor_kind', $1, true), set_config('sallyport.actor_id', $2, true),
    set_config('sallyport.client_id', $3, true), set_config('sallyport.ip_hash', $4, true),
    set_config('sallyport.agent_hash', $5, true), set_config('sallyport.traceparent', $6, true),
    set_config('sallyport.reason', $7, true), set_config('sallyport.rule', $8, true)`;
