import type { z } from 'zod';
import type { auditEventView } from '../contract.ts';
import type { ViewRow } from '../events.store.ts';

export type AuditEventView = z.output<typeof auditEventView>;

/** An event as the API, the CLI and reports show it, with the personal values behind its commitments unless erased. */
export const viewOf = (row: ViewRow): AuditEventView => ({
  seq: row.seq,
  event_id: row.eventId,
  type: row.type,
  outcome: row.outcome,
  actor: { kind: row.actorKind, id: row.actorId ?? row.disclosed?.actor ?? null },
  target: targetOf(row),
  client_id: row.clientId ?? row.disclosed?.client_id ?? null,
  detail: { ...row.detail, ...disclosedMembers(row) },
  trace_id: row.traceId,
  occurred_at: row.occurredAt,
  sealed_at: row.sealedAt,
});

function targetOf({ targetKind, targetId, disclosed }: ViewRow): AuditEventView['target'] {
  if (targetKind !== null) return { kind: targetKind, id: targetId };
  const [, kind, id = ''] = /^([^:]+):(.*)$/s.exec(disclosed?.target ?? '') ?? [];
  return kind === undefined ? null : { kind, id };
}

const DETAIL = 'detail.';

const disclosedMembers = ({ disclosed }: ViewRow): Record<string, string> =>
  Object.fromEntries(
    Object.entries(disclosed ?? {}).flatMap(([field, value]) =>
      field.startsWith(DETAIL) ? [[field.slice(DETAIL.length), value]] : [],
    ),
  );
