import type { Json } from '../log/canonical-json.ts';
import { type LeafEvent, leafOf, SALT_BYTES, sealableDetail } from '../log/leaf.ts';
import { REASON_CODES } from './reason-codes.ts';
import type { OutboxRow, SealedRow } from './seal.store.ts';

// The log is public and permanent. So a leaf must not identify a person, reveal whether an account exists, or contain
// text that a caller chose.

/** Members of a detail that may be personal. Sealing removes them from the outbox row. */
export const PERSONAL_MEMBERS: readonly string[] = [
  'identifier',
  'reason',
  'job_id',
  'reference',
  'terms',
  'act',
  'act_failure',
  'country',
];

/**
 * Those about the person whose health data a user used. They and the person's id are evidence of the use for six years
 * (45 CFR 164.316(b)(2)(i)), so the erasure of the user keeps them.
 */
const MEMBERS_OF_PATIENTS: readonly string[] = ['reference', 'terms'];
export const ERASED_MEMBERS = PERSONAL_MEMBERS.filter((member) => !MEMBERS_OF_PATIENTS.includes(member));
const FIELDS_OF_PATIENTS: ReadonlySet<string> = new Set(MEMBERS_OF_PATIENTS.map((member) => `detail.${member}`));

/** Types whose `reason` is public: an error code of ours, and a text that an operator writes for readers of the log. */
const TYPES_WITH_PUBLIC_REASON: ReadonlySet<string> = new Set(['token.issued', 'audit.log_continued']);

/** Ids that we generate and names that administrators choose. The id of an unvetted client is a URL and does not match. */
const ID = /^[\w.:-]{1,128}$/;
const isHiddenId = (id: Json): boolean => typeof id === 'string' && id !== '' && !ID.test(id);

const isReasonPublic = ({ type, detail }: OutboxRow): boolean =>
  TYPES_WITH_PUBLIC_REASON.has(type) || (typeof detail.reason === 'string' && REASON_CODES.has(detail.reason));

/** Members of this row's detail that the leaf replaces by commitments. */
const hiddenMembers = (row: OutboxRow): readonly string[] =>
  Object.entries(row.detail).flatMap(([member, value]) => {
    if (value === null) return [];
    if (member === 'reason') return isReasonPublic(row) ? [] : [member];
    return PERSONAL_MEMBERS.includes(member) || (member.endsWith('_id') && isHiddenId(value)) ? [member] : [];
  });

/** Kinds of targets that an administrator names by an id which may not exist: then the id is free text. */
const KINDS_WITH_UNCHECKED_ID: ReadonlySet<string | null> = new Set(['token', 'session']);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The sender of a refused request chose its target. A refused sign-in must not reveal which accounts exist. The id of a
 * subject of health data is chosen by an application, and identifies a patient.
 */
const hidesTarget = ({ outcome, targetKind, targetId }: OutboxRow): boolean =>
  outcome === 'refused' ||
  targetKind === 'subject' ||
  isHiddenId(targetId) ||
  (KINDS_WITH_UNCHECKED_ID.has(targetKind) && !UUID.test(targetId ?? ''));

/** Names of system actors are ours. */
const hidesActor = ({ actorKind, actorId }: OutboxRow): boolean => actorKind !== 'system' && isHiddenId(actorId);

const targetText = ({ targetKind, targetId }: OutboxRow): string =>
  targetKind === null ? '' : `${targetKind}:${targetId ?? ''}`;

const iso = (micros: number): string =>
  new Date(Math.floor(micros / 1_000)).toISOString().replace('Z', `${String(micros % 1_000).padStart(3, '0')}Z`);

/** The user whose erasure removes this personal value. */
function subjectOf({ actorKind, actorId, targetKind, targetId, detail }: OutboxRow, field: string): string | null {
  if (FIELDS_OF_PATIENTS.has(field) || (field === 'target' && targetKind === 'subject')) return null;
  if (actorKind === 'user') return actorId;
  if (targetKind === 'user') return targetId;
  return typeof detail.user_id === 'string' ? detail.user_id : null;
}

/** The personal values of a row, with their field names. */
function personalOf(row: OutboxRow): (readonly [string, string])[] {
  const values: (readonly [string, Json | undefined])[] = [
    ['ip_hash', row.ipHash],
    ['agent_hash', row.agentHash],
    ['actor', hidesActor(row) ? row.actorId : null],
    ['client_id', isHiddenId(row.clientId) ? row.clientId : null],
    ...hiddenMembers(row).map((member) => [`detail.${member}`, row.detail[member]] as const),
    // Also if there is no target (an empty value), so that the field does not reveal whether there is one.
    ['target', hidesTarget(row) ? targetText(row) : null],
  ];
  return values.flatMap(([field, value]) =>
    value === null || value === undefined ? [] : [[field, text(value)] as const],
  );
}

const text = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Null unless the text begins like a valid `traceparent`. */
const traceIdOf = (traceparent: string | null): string | null =>
  traceparent !== null && /^[0-9a-f]{2}-[0-9a-f]{32}-/.test(traceparent) ? traceparent.slice(3, 35) : null;

/**
 * Builds the leaves of these rows, numbered from `firstSeq`.
 * @param salts random bytes; `saltBytes` gives their number
 */
export function sealableEvents(rows: readonly OutboxRow[], firstSeq: number, salts: Buffer): SealedRow[] {
  let salted = 0;
  return rows.map((row, at) => {
    const personal = personalOf(row).map(([field, value]) => {
      salted += SALT_BYTES;
      return { field, value, salt: salts.subarray(salted - SALT_BYTES, salted), subject: subjectOf(row, field) };
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
    return { row, seq: event.seq, leaf: leafOf(event), personal };
  });
}

export const saltBytes = (rows: readonly OutboxRow[]): number =>
  rows.reduce((bytes, row) => bytes + SALT_BYTES * personalOf(row).length, 0);

function without(detail: OutboxRow['detail'], members: readonly string[]): OutboxRow['detail'] {
  if (!members.some((member) => Object.hasOwn(detail, member))) return detail;
  return Object.fromEntries(Object.entries(detail).filter(([member]) => !members.includes(member)));
}
