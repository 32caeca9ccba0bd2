import type { z } from 'zod';
import type { auditEventView } from './contract.ts';
import type { EventRow } from './events.store.ts';

export type AuditEventView = z.output<typeof auditEventView>;

/** An event as the API, the command line and reports show it. */
export const viewOf = (row: EventRow): AuditEventView => ({
  seq: row.seq,
  event_id: row.eventId,
  type: row.type,
  outcome: row.outcome,
  actor: { kind: row.actorKind, id: row.actorId },
  target: row.targetKind === null ? null : { kind: row.targetKind, id: row.targetId },
  client_id: row.clientId,
  detail: row.detail,
  trace_id: row.traceId,
  occurred_at: row.occurredAt,
  sealed_at: row.sealedAt,
});
