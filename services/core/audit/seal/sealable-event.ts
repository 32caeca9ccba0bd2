import { auditPersonalErased, auditRowRefused } from '../audit-events.ts';
import { canonicalJson, type Json } from '../log/canonical-json.ts';
import { type LeafEvent, leafOf, SALT_BYTES, sealableDetail } from '../log/leaf.ts';
import { type EventRules, isKid, isOwnClient, isOwnId, isRelease, rulesOfType } from './member-rules.ts';
import { OWN_NAMES } from './own-names.ts';
import type { OutboxRow, SealedRow } from './seal.store.ts';

// The log is public and permanent. A leaf shows what this file and the declarations of events allow, and commits to all
// else: a leaf must not identify a person, reveal whether an account exists, or contain text that a caller chose.

type Detail = OutboxRow['detail'];

/** A value that the leaf commits to. `subject`: the user whose erasure removes the value. */
type HiddenValue = { readonly field: string; readonly value: string; readonly subject: string | null };

/** An event as its leaf shows it, and the values that the leaf commits to. */
type SplitEvent = {
  readonly shown: Pick<
    LeafEvent,
    'type' | 'outcome' | 'actor_kind' | 'actor_id' | 'target_kind' | 'target_id' | 'client_id'
  > & { readonly detail: Detail };
  readonly hidden: readonly HiddenValue[];
};

/** Names of processes and commands are written in code. */
const SYSTEM_ACTOR = /^[a-z][a-z0-9 _.:-]{0,63}$/;
const TYPE = /^[a-z][a-z_]{0,31}(\.[a-z][a-z_]{0,31}){1,2}$/;
/** In place of a type or outcome that no declaration has. */
const UNDECLARED = 'undeclared';

const isOwnName = (id: string): boolean => OWN_NAMES.has(id);
/** The vault was asked about the key of these events; a thumbprint of another one could be any text. */
const isVaultKey = (type: string, kid: string): boolean => type.startsWith('key.') || !/^[\w-]{43}$/.test(kid);

/** Which ids of a kind of target are ours. Others are chosen by a caller, or come from an imported file. */
const TARGETS: Readonly<Record<string, (id: string) => boolean>> = {
  user: isOwnId,
  session: isOwnId,
  client: isOwnClient,
  family: isOwnId,
  token: isOwnId,
  api_key: isOwnId,
  incident: isOwnId,
  signoff: isOwnId,
  report: isOwnId,
  import: isOwnId,
  key: isKid,
  queue: isOwnName,
  control: isOwnName,
  role: isOwnName,
  installation: (id) => isOwnId(id) || isRelease(id) || id === 'sallyport' || id === 'users',
};

const isShownActor = (row: OutboxRow): boolean =>
  row.actor_id === null ||
  (row.actor_kind === 'system'
    ? SYSTEM_ACTOR.test(row.actor_id)
    : row.actor_kind === 'client'
      ? isOwnClient(row.actor_id)
      : isOwnId(row.actor_id));

/**
 * The sender of a refused request chose its target: a refused sign-in must not reveal which accounts exist. Of such an
 * event, and of one that is not declared, the leaf does not reveal either whether it has a target.
 */
const hidesAnyTarget = ({ outcome }: OutboxRow, rules: EventRules | undefined): boolean =>
  outcome === 'refused' || rules === undefined;

const isShownTarget = ({ type, target_kind: targetKind, target_id: targetId }: OutboxRow): boolean =>
  targetKind === null ||
  (targetId !== null &&
    TARGETS[targetKind]?.(targetId) === true &&
    (targetKind !== 'key' || isVaultKey(type, targetId)));

function personOf(row: OutboxRow): string | null {
  if (row.actor_kind === 'user') return row.actor_id;
  if (row.target_kind === 'user') return row.target_id;
  return typeof row.detail.user_id === 'string' ? row.detail.user_id : null;
}

/** The ids of an unvetted client and of a person may be personal; the name that an administrator gave to a client is not. */
const NAME = /^[\w.:-]{1,128}$/;
const ownerOfClient = (row: OutboxRow, id: string): string | null => (NAME.test(id) ? null : personOf(row));

/** Who used health data is evidence as long as what was used is. */
function ownerOfActor(row: OutboxRow, actorId: string): string | null {
  if (row.actor_kind !== 'user') return ownerOfClient(row, actorId);
  return row.target_kind === 'subject' ? null : actorId;
}

function ownerOfTarget(row: OutboxRow): string | null {
  // The record of an erasure is the evidence that it was done.
  if (row.target_kind === 'subject' || row.type === auditPersonalErased.type) return null;
  return row.target_kind === 'user' ? row.target_id : personOf(row);
}

/** Splits a detail. The commitments are to each text of a person, to all else of that person, and to all that stays. */
function splitDetail(row: OutboxRow, rules: EventRules | undefined, hidden: HiddenValue[]): Detail {
  let others: Record<string, Json> | undefined;
  let names: Record<string, Json> | undefined;
  let isWhole = true;
  const shown: Record<string, Json> = {};
  for (const [member, value] of Object.entries(row.detail)) {
    const rule = rules?.members.get(member);
    if (rule !== undefined && (value === null || rule.fits(value))) {
      shown[member] = value;
      continue;
    }
    isWhole = false;
    if (rule === undefined) {
      others ??= {};
      others[member] = value;
    } else if (rule.isOwnField && typeof value === 'string') {
      const subject = { row: personOf(row), value, none: null }[rule.belongsTo];
      hidden.push({ field: `detail.${member}`, value, subject });
    } else if (rule.belongsTo === 'row') {
      others ??= {};
      others[member] = value;
    } else {
      names ??= {};
      names[member] = value;
    }
  }
  if (others !== undefined) hidden.push({ field: 'detail', value: canonicalJson(others), subject: personOf(row) });
  if (names !== undefined) hidden.push({ field: 'names', value: canonicalJson(names), subject: null });
  return isWhole ? row.detail : shown;
}

const targetText = (row: OutboxRow): string =>
  row.target_kind === null ? '' : `${row.target_kind}:${row.target_id ?? ''}`;

export function splitEvent(row: OutboxRow): SplitEvent {
  const rules = rulesOfType(row.type);
  const hidden: HiddenValue[] = [];
  const hide = (field: string, value: string | null, subject: string | null): void => {
    if (value !== null) hidden.push({ field, value, subject });
  };
  hide('ip_hash', row.ip_hash, personOf(row));
  hide('agent_hash', row.agent_hash, personOf(row));
  const isTypeShown = rules !== undefined || TYPE.test(row.type);
  if (!isTypeShown) hide('type', row.type, null);
  const isOutcomeShown =
    rules === undefined ? row.outcome === 'ok' || row.outcome === 'refused' : rules.outcomes.has(row.outcome);
  if (!isOutcomeShown) hide('outcome', row.outcome, null);
  const actorId = isShownActor(row) ? row.actor_id : null;
  if (actorId === null && row.actor_id !== null) hide('actor', row.actor_id, ownerOfActor(row, row.actor_id));
  const clientId = row.client_id !== null && isOwnClient(row.client_id) ? row.client_id : null;
  if (clientId === null && row.client_id !== null) hide('client_id', row.client_id, ownerOfClient(row, row.client_id));
  const detail = splitDetail(row, rules, hidden);
  const isTargetShown = !hidesAnyTarget(row, rules) && isShownTarget(row);
  if (!isTargetShown) hide('target', targetText(row), ownerOfTarget(row));
  return {
    shown: {
      type: isTypeShown ? row.type : UNDECLARED,
      outcome: isOutcomeShown ? row.outcome : UNDECLARED,
      actor_kind: row.actor_kind,
      actor_id: actorId,
      target_kind: isTargetShown ? row.target_kind : null,
      target_id: isTargetShown ? row.target_id : null,
      client_id: clientId,
      detail,
    },
    hidden,
  };
}

const iso = (micros: number): string =>
  new Date(Math.floor(micros / 1_000)).toISOString().replace('Z', `${String(micros % 1_000).padStart(3, '0')}Z`);

/** Null unless the text begins like a valid `traceparent`. */
const traceIdOf = (traceparent: string | null): string | null =>
  traceparent !== null && /^[0-9a-f]{2}-[0-9a-f]{32}-/.test(traceparent) ? traceparent.slice(3, 35) : null;

/**
 * Builds the leaves of these rows, numbered from `firstSeq`.
 * @param randomBytes gives the salts
 */
export function sealableEvents(
  rows: readonly OutboxRow[],
  firstSeq: number,
  randomBytes: (count: number) => Buffer,
): SealedRow[] {
  const split = rows.map(splitEvent);
  const salts = randomBytes(SALT_BYTES * split.reduce((values, { hidden }) => values + hidden.length, 0));
  let salted = 0;
  return rows.map((row, at) => {
    const { shown, hidden } = split[at] as SplitEvent;
    const personal = hidden.map((value) => {
      salted += SALT_BYTES;
      return { ...value, salt: salts.subarray(salted - SALT_BYTES, salted) };
    });
    const seq = firstSeq + at;
    const leaf = leafOf({
      ...shown,
      seq,
      event_id: row.event_id,
      detail: sealableDetail(shown.detail),
      trace_id: traceIdOf(row.traceparent),
      occurred_at: iso(row.occurred_at_micros),
      sealed_at: iso(row.now_micros),
      personal,
    });
    // What a refused row claimed stays in the outbox until its day is dropped.
    const isKept = row.type === auditRowRefused.type;
    const hidesDetail = !isKept && shown.detail !== row.detail;
    const hidesTarget = !isKept && shown.target_kind === null && row.target_kind !== null;
    return { row, seq, leaf, personal, hidesDetail, hidesTarget };
  });
}
