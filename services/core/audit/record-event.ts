import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import type { AuditMembers, Declared, DetailOf } from '#services/platform/define/audit-member.ts';
import type { Caller, Sql } from '../ports.ts';
import { auditOutboxInsert } from './audit.store.ts';
import { auditActor, setAuditContext } from './audit-context.ts';

/** Other modules write events here; those of triggers name the actor of the context. */
export { auditActor, setAuditContext };

type AuditTarget = {
  readonly kind:
    | 'user'
    | 'session'
    | 'client'
    | 'family'
    | 'token'
    | 'key'
    | 'revocation'
    | 'installation'
    | 'queue'
    | 'incident'
    | 'control'
    | 'role'
    | 'application'
    | 'signoff'
    | 'subject'
    | 'report'
    | 'import';
  readonly id: string;
};

/** The outcome may be left out of an event that has no other than `ok`. */
type WithOutcome<Outcome extends string> = [Outcome] extends ['ok']
  ? { readonly outcome?: Outcome }
  : { readonly outcome: Outcome };

export type AuditDetail<Outcome extends string, Detail = Readonly<Record<string, unknown>>> = WithOutcome<Outcome> & {
  readonly target?: AuditTarget;
  /** Facts without secrets and tokens: the members that the event declares. */
  readonly detail?: Detail;
  /** The client concerned, if it differs from the caller's. */
  readonly clientId?: string;
  /** UUIDv7. Fixes the id and the time of the row, so that the unique index rejects a repeated write. */
  readonly eventId?: string;
};

/** The values of one outbox row, in the order of its insert statement. */
export type AuditRow = readonly [
  eventId: string | null,
  type: string,
  outcome: string,
  actorKind: string,
  actorId: string | null,
  targetKind: string | null,
  targetId: string | null,
  clientId: string | null,
  ipHash: string | null,
  agentHash: string | null,
  detail: string,
  traceparent: string | null,
];

// Postgres rejects NUL in text and a lone surrogate in jsonb. One such value must not fail a batch.
const storable = (text: string): string => text.toWellFormed().replaceAll('\0', '');

/** JSON escapes that Postgres rejects. May also match harmless text after a backslash, at the cost of a second pass. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/;

function storableJson(value: object): string {
  const text = JSON.stringify(value);
  if (!UNSTORABLE.test(text)) return text;
  return JSON.stringify(value, (_key, member: unknown) => (typeof member === 'string' ? storable(member) : member));
}

/** The outbox row of an event, for callers that insert several in one statement. */
export function auditRow<Outcome extends string, Members extends AuditMembers, Detail extends DetailOf<Members>>(
  caller: Caller,
  event: AuditEvent<Outcome, Members>,
  detail: AuditDetail<Outcome, Declared<Detail, Members>>,
): AuditRow {
  const actor = auditActor(caller);
  return [
    detail.eventId ?? null,
    event.type,
    detail.outcome ?? 'ok',
    actor.actor_kind,
    actor.actor_id,
    detail.target?.kind ?? null,
    detail.target === undefined ? null : storable(detail.target.id),
    detail.clientId ?? actor.client_id,
    actor.ip_hash,
    actor.agent_hash,
    detail.detail === undefined ? '{}' : storableJson(detail.detail),
    actor.traceparent,
  ];
}

/**
 * Writes a security event in the transaction of the change it reports: both commit, or neither.
 * @example await recordEvent(tx, caller, sessionEnded, { target: { kind: 'session', id } })
 */
export async function recordEvent<
  Outcome extends string,
  Members extends AuditMembers,
  Detail extends DetailOf<Members>,
>(
  tx: Sql,
  caller: Caller,
  event: AuditEvent<Outcome, Members>,
  detail: AuditDetail<Outcome, Declared<Detail, Members>>,
): Promise<void> {
  await tx.query(auditOutboxInsert, auditRow(caller, event, detail));
}
