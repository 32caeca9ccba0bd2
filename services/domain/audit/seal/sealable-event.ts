import type { Json } from '../log/canonical-json.ts';
import { type LeafEvent, leafOf, type PersonalValue, SALT_BYTES, sealableDetail, sealableId } from '../log/leaf.ts';
import type { OutboxRow, SealedRow } from './seal.store.ts';

// The log is public and never forgets, so a leaf holds nothing that says who a person is, whether an account exists,
// or that somebody has made up or typed in.

/** Members of a detail that may be personal: an outbox row keeps none of them once it is sealed. */
export const PERSONAL_MEMBERS: readonly string[] = ['identifier', 'reason'];

/** A reason of ours, such as `sign_out`, as against one that somebody wrote. */
const isCode = (value: Json | undefined): boolean => typeof value === 'string' && /^[a-z][a-z0-9_]{0,63}$/.test(value);

/** Said to whoever reads the log, by the operator who begins another. */
const PUBLIC_REASON = new Set(['audit.log_continued']);

/** Members of this row's detail that are committed to in place of being there. */
function personalMembers({ type, detail }: OutboxRow): readonly string[] {
  const keepsReason = isCode(detail.reason) || PUBLIC_REASON.has(type);
  return PERSONAL_MEMBERS.filter((member) => detail[member] != null && !(member === 'reason' && keepsReason));
}

/** What a refused request was about is what its sender chose to name: a sign-in must not tell which accounts exist. */
const hidesTarget = ({ outcome }: OutboxRow): boolean => outcome === 'refused';

const targetText = ({ targetKind, targetId }: OutboxRow): string =>
  targetKind === null ? '' : `${targetKind}:${targetId ?? ''}`;

const iso = (micros: number): string =>
  new Date(Math.floor(micros / 1_000)).toISOString().replace('Z', `${String(micros % 1_000).padStart(3, '0')}Z`);

/** The user an event is about, by whom its personal values can be found again. */
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
    ...personalMembers(row).map((member) => [`detail.${member}`, row.detail[member]] as const),
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
      actorId: sealableId(row.actorId),
      targetKind: isTargetHidden ? null : row.targetKind,
      targetId: isTargetHidden ? null : sealableId(row.targetId),
      clientId: sealableId(row.clientId),
      detail: sealableDetail(without(row.detail, personalMembers(row))),
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
