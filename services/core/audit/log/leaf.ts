import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from './canonical-json.ts';

// A bundle stores the length of a leaf in two bytes: at most 65,535. Three ids of 128 characters and this detail fit.
const DETAIL_BYTES_MAX = 32_000;
export const SALT_BYTES = 32;

const COMMITMENT_DOMAIN = 'sallyport/audit/personal/v1';

/** A value that can be erased: the leaf contains a commitment, and `audit_personal` the value and its salt. */
export type PersonalValue = { readonly field: string; readonly salt: Uint8Array; readonly value: string };

/** SHA-256(domain ‖ 0 ‖ field ‖ 0 ‖ salt ‖ value). An attacker without the 32-byte salt cannot test guesses. */
export const commitmentOf = ({ field, salt, value }: PersonalValue): Buffer =>
  createHash('sha256').update(`${COMMITMENT_DOMAIN}\0${field}\0`).update(salt).update(value).digest();

/** The content of a leaf. Times are RFC 3339, UTC, with microseconds. The leaf omits null members. */
export type LeafEvent = {
  readonly seq: number;
  readonly event_id: string;
  readonly type: string;
  readonly outcome: string;
  readonly actor_kind: string;
  readonly actor_id: string | null;
  readonly target_kind: string | null;
  readonly target_id: string | null;
  readonly client_id: string | null;
  readonly detail: Json;
  readonly trace_id: string | null;
  readonly occurred_at: string;
  readonly sealed_at: string;
  readonly personal: readonly PersonalValue[];
};

/**
 * The exact bytes that are sealed: RFC 8785 JSON with `v` 1. Personal fields are commitments in base64.
 * The caller passes only ids that `sealableEvents` allows, and a detail from `sealableDetail`.
 */
export function leafOf(event: LeafEvent): Buffer {
  const leaf: Record<string, Json> = {
    actor: idAndKind(event.actor_id, event.actor_kind),
    detail: event.detail,
    event_id: event.event_id,
    occurred_at: event.occurred_at,
    outcome: event.outcome,
    sealed_at: event.sealed_at,
    seq: event.seq,
    type: event.type,
    v: 1,
  };
  if (event.client_id !== null) leaf.client_id = event.client_id;
  if (event.target_kind !== null) leaf.target = idAndKind(event.target_id, event.target_kind);
  if (event.trace_id !== null) leaf.trace_id = event.trace_id;
  if (event.personal.length > 0)
    leaf.personal = Object.fromEntries(event.personal.map((one) => [one.field, commitmentOf(one).toString('base64')]));
  return Buffer.from(canonicalJson(leaf));
}

const idAndKind = (id: string | null, kind: string): Json => (id === null ? { kind } : { id, kind });

/** Replaces a detail that is too large for a leaf by its size and digest. Never truncates it. */
export function sealableDetail(detail: Json): Json {
  // The order of members does not change the length: the leaf alone is serialized canonically.
  const bytes = Buffer.byteLength(JSON.stringify(detail));
  if (bytes <= DETAIL_BYTES_MAX) return detail;
  return { omitted_bytes: bytes, omitted_sha256: createHash('sha256').update(canonicalJson(detail)).digest('base64') };
}
