import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { REASON_CODES } from '#services/core/audit/seal/reason-codes.ts';
import {
  accountPasswordChanged,
  factorEnrolled,
  factorRemoved,
  factorsReset,
  userSessionEnded,
  userSteppedUp,
  userTokensRevoked,
} from '#services/core/identity/audit-events.ts';
import { isTwoFactors } from '#services/core/identity/users/assurance.ts';
import { signalStreamVerified } from './audit-events.ts';
import { CAEP_EVENTS, VERIFICATION } from './signal-shapes.ts';

export type Signal = {
  readonly event: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly subject: Readonly<Record<string, unknown>>;
  /** The subject of the event; null: the stream itself. */
  readonly userId: string | null;
};

/** The types of the log that a stream follows. */
export const SIGNAL_TYPES: readonly string[] = [
  userSessionEnded,
  userTokensRevoked,
  accountPasswordChanged,
  factorEnrolled,
  factorRemoved,
  factorsReset,
  userSteppedUp,
  signalStreamVerified,
].map(({ type }) => type);

const INITIATORS: Readonly<Record<string, string>> = {
  user: 'user',
  client: 'admin',
  agent: 'admin',
  system: 'system',
};
/** CAEP 1.0 §3.2, of our factors; others are authenticator apps or codes. */
const credentialTypeOf = (factor: unknown): string => (factor === 'passkey' ? 'fido2-platform' : 'app');

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** The user of an event: its target, or what its detail or actor names. */
function userOf({ target, detail, actor }: AuditEventView): string | null {
  if (target?.kind === 'user') return target.id;
  return textOf(detail.user_id) ?? (actor.kind === 'user' ? actor.id : null);
}

/** Type and members of the event; null if it is none that others are told of. */
function caepOf({ type, outcome, detail }: AuditEventView): readonly [string, Record<string, unknown>] | null {
  const credential = (kind: string, change: string) =>
    [CAEP_EVENTS['credential-change'], { credential_type: kind, change_type: change }] as const;
  switch (type) {
    case userSessionEnded.type:
    case userTokensRevoked.type:
      return [CAEP_EVENTS['session-revoked'], {}];
    case accountPasswordChanged.type:
      return credential('password', 'update');
    case factorEnrolled.type:
      return credential(credentialTypeOf(detail.factor), 'create');
    case factorRemoved.type:
      return credential(credentialTypeOf(detail.factor), 'revoke');
    case factorsReset.type:
      return credential('app', 'revoke');
    case userSteppedUp.type: {
      // A password alone is the level that every session has.
      if (outcome !== 'ok' || detail.factor === 'password') return null;
      const before = textOf(detail.previous_acr);
      if (isTwoFactors(before)) return null;
      const previous = before === null ? {} : { previous_level: `nist-${before}` };
      const level = { namespace: 'NIST-AAL', current_level: 'nist-aal2', change_direction: 'increase' };
      return [CAEP_EVENTS['assurance-level-change'], { ...level, ...previous }];
    }
    default:
      return null;
  }
}

/** An event of the log as others are told it, about one user or, of a verification, about this stream; null for any other. */
export function signalOf(
  view: AuditEventView,
  { issuer, streamId }: { readonly issuer: string; readonly streamId: string },
): Signal | null {
  if (view.type === signalStreamVerified.type) {
    if (view.detail.stream_id !== streamId) return null;
    const state = textOf(view.detail.state);
    const subject = { format: 'opaque', id: streamId };
    return { event: VERIFICATION, payload: state === null ? {} : { state }, subject, userId: null };
  }
  const caep = caepOf(view);
  const userId = userOf(view);
  if (caep === null || userId === null) return null;
  const [event, members] = caep;
  const user = { format: 'iss_sub', iss: issuer, sub: userId };
  // One session of several: without its id a receiver would end them all.
  const subject =
    view.target?.kind === 'session'
      ? { format: 'complex', session: { format: 'opaque', id: view.target.id }, user }
      : user;
  // The CAEP interoperability profile 1.0 §3 asks for a reason in every event. What a person wrote is not for receivers.
  const given = textOf(view.detail.reason);
  const reason = given !== null && REASON_CODES.has(given) ? given : view.type;
  const payload = {
    event_timestamp: Math.floor(Date.parse(view.occurred_at) / 1_000),
    initiating_entity: INITIATORS[view.actor.kind] ?? 'system',
    reason_admin: { en: reason },
    ...members,
  };
  return { event, payload, subject, userId };
}
