import type { Json } from '../log/canonical-json.ts';
import { type LeafEvent, leafOf, type PersonalValue, SALT_BYTES, sealableDetail } from '../log/leaf.ts';
import { REASON_CODES } from './reason-codes.ts';
import type { OutboxRow, SealedRow } from './seal.store.ts';

// The log is public and never forgets, so a leaf holds nothing that says who a person is, whether an account exists,
// or that a caller has made up or typed in.

/** Members of a detail that may be personal: an outbox row keeps none of them once it is sealed. */
export const PERSONAL_MEMBERS: readonly string[] = ['identifier', 'reason', 'job_id'];

/** Types whose `reason` comes from no request: the code of an error, and what an operator tells every reader of the log. */
const OWN_REASONS: ReadonlySet<string> = new Set(['token.issued', 'audit.log_continued']);

/** Ids that we generate, and names that administrators choose. An unvetted client has the URL of its document. */
const ID = /^[\w.:-]{1,128}$/;
const isHiddenId = (id: Json): boolean => typeof id === 'string' && id !== '' && !ID.test(id);

const keepsReason = ({ type, detail }: OutboxRow): boolean =>
  OWN_REASONS.has(type) || (typeof detail.reason === 'string' && REASON_CODES.has(detail.reason));

/** Members of this row's detail that are committed to in place of being there. */
const hiddenMembers = (row: OutboxRow): readonly string[] =>
  Object.entries(row.detail).flatMap(([member, value]) => {
    if (value === null) return [];
    if (member === 'reason') return keepsReason(row) ? [] : [member];
    return PERSONAL_MEMBERS.includes(member) || (member.endsWith('_id') && isHiddenId(value)) ? [member] : [];
  });

/** What is ended by its id need not exist: then the id is what the administrator typed. */
const NAMED_UNSEEN: ReadonlySet<string | null> = new Set(['token', 'session']);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a refused request was about is what its sender chose to name: a sign-in must not tell which accounts exist. */
const hidesTarget = ({ outcome, targetKind, targetId }: OutboxRow): boolean =>
  outcome === 'refused' || isHiddenId(targetId) || (NAMED_UNSEEN.has(targetKind) && !UUID.test(targetId ?? ''));

/** The system names itself. */
const hidesActor = ({ actorKind, actorId }: OutboxRow): boolean => actorKind !== 'system' && isHiddenId(actorId);

const targetText = ({ targetKind, targetId }: OutboxRow): string =>
  targetKind === null ? '' : `${targetKind}:${targetId ?? ''}`;

const iso = (micros: number): string =>
  new Date(Math.floor(micros / 1_000)).toISOString().replace('Z', `${String(micros % 1_000).padStart(3, '0')}Z`);

/** The user an event is about, used to find its personal values. */
function subjectOf({ actorKind, actorId, targetKind, targetId, detail }: OutboxRow): string | null {
  if (actorKind === 'user') return actorId;
  if (targetKind === 'user') return targetId;
  return typeof detail.user_id === 'string' ? detail.user_id : null;
}

/** Personal values a row holds, by the name of their field. */
function personalOf(row: OutboxRow): (readonly [string, string])[] {
  const values: (readonly [string, Json | undefined])[] = [
    ['ip_hash', row.ipHash],
    ['agent_hash', row.agentHash],
    ['actor', hidesActor(row) ? row.actorId : null],
    ['client_id', isHiddenId(row.clientId) ? row.clientId : null],
    ...hiddenMembers(row).map((member) => [`detail.${member}`, row.detail[member]] as const),
    // Empty where there is none, so that its being there says nothing.
    ['target', hidesTarget(row) ? targetText(row) : null],
  ];
  return values.flatMap(([field, value]) =>
    value === null || value === undefined ? [] : [[field, text(value)] as const],
  );
}

const text = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** `traceparent` is ours or checked; of anything else there is no trace. */
const traceIdOf = (traceparent: string | null): string | null =>
  traceparent !== null && /^[0-9a-f]{2}-[0-9a-f]{32}-/.test(traceparent) ? traceparent.slice(3, 35) : null;

/**
 * Rows as they are sealed, at the places from `firstSeq` on.
 * @param salts as many random bytes as `saltBytes` says
 */
export function sealableEvents(rows: readonly OutboxRow[], firstSeq: number, salts: Buffer): SealedRow[] {
  let salted = 0;
  return rows.map((row, at) => {
    const personal: PersonalValue[] = personalOf(row).map(([field, value]) => {
      salted += SALT_BYTES;
      return { field, value, salt: salts.subarray(salted - SALT_BYTES, salted) };
    });
    const { eventId, type, outcome, actorKind } = row;
    const isTargetHidden = hidesTarget(row);
    const event: LeafEvent = {
      seq: firstSeq + at,
      eventId,
      type,
      outcome,
      actorKind,
      actorId: hidesActor(row) ? null : row.actorId,
      targetKind: isTargetHidden ? null : row.targetKind,
      targetId: isTargetHidden ? null : row.targetId,
      clientId: isHiddenId(row.clientId) ? null : row.clientId,
      detail: sealableDetail(without(row.detail, hiddenMembers(row))),
      traceId: traceIdOf(row.traceparent),
      occurredAt: iso(row.occurredAtMicros),
      sealedAt: iso(row.nowMicros),
      personal,
    };
    return { row, seq: event.seq, leaf: leafOf(event), personal, subject: subjectOf(row) };
  });
}

export const saltBytes = (rows: readonly OutboxRow[]): number =>
  rows.reduce((bytes, row) => bytes + SALT_BYTES * personalOf(row).length, 0);

function without(detail: OutboxRow['detail'], members: readonly string[]): OutboxRow['detail'] {
  if (!members.some((member) => Object.hasOwn(detail, member))) return detail;
  return Object.fromEntries(Object.entries(detail).filter(([member]) => !members.includes(member)));
}
