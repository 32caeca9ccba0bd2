import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import type { Caller, Sql } from '../ports.ts';
import { auditOutboxInsert } from './audit.store.ts';
import { auditActor } from './audit-context.ts';

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
    | 'incident';
  readonly id: string;
};

export type AuditDetail<Outcome extends string> = {
  readonly outcome: Outcome;
  readonly target?: AuditTarget;
  /** Facts without secrets, tokens or personal data; ids, codes and counts. */
  readonly detail?: Readonly<Record<string, unknown>>;
  /** The client concerned, where it is not the caller's own. */
  readonly clientId?: string;
  /** UUIDv7. Fixes the row's id and its time, so that a repeated write is found out by their unique index. */
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

// Postgres takes no NUL in text and no lone surrogate in jsonb: one odd value must not fail a batch of others.
const storable = (text: string): string => text.toWellFormed().replaceAll('\0', '');

/** How JSON spells what Postgres does not take; a backslash before it makes it harmless text, which costs one look more. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/;

function storableJson(value: object): string {
  const text = JSON.stringify(value);
  if (!UNSTORABLE.test(text)) return text;
  return JSON.stringify(value, (_key, member: unknown) => (typeof member === 'string' ? storable(member) : member));
}

/** One event as a row, for callers that write several in one statement. */
export function auditRow<Outcome extends string>(
  caller: Caller,
  event: AuditEvent<Outcome>,
  detail: AuditDetail<Outcome>,
): AuditRow {
  const actor = auditActor(caller);
  return [
    detail.eventId ?? null,
    event.type,
    detail.outcome,
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
 * Writes a security event in the transaction of the change it reports: either both are there or neither.
 * @example await recordEvent(tx, caller, sessionEnded, { outcome: 'ok', target: { kind: 'session', id } })
 */
export async function recordEvent<Outcome extends string>(
  tx: Sql,
  caller: Caller,
  event: AuditEvent<Outcome>,
  detail: AuditDetail<Outcome>,
): Promise<void> {
  await tx.query(auditOutboxInsert, auditRow(caller, event, detail));
}
