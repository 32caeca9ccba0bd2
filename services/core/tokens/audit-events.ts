import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import {
  code,
  count,
  counts,
  detailFacts,
  id,
  known,
  listOf,
  name,
  reason,
  scope,
  user,
} from '#services/platform/define/audit-member.ts';

const grant = known(
  'api',
  'session',
  'authorization_code',
  'client_credentials',
  'device_code',
  'jwt_bearer',
  'refresh_token',
  'token_exchange',
  'ciba',
);
const refresh = { generation: count, held: count, user_id: user, session_id: id } as const;

/** A client-credentials token, or a refused pair. An issued pair is recorded as its token family. */
export const tokenIssued = defineAuditEvent({
  type: 'token.issued',
  outcomes: ['ok', 'refused'],
  detail: { grant: grant, audience: name, scope, reason: code, user_id: user, of: id, acting: id, ...detailFacts },
  meaning:
    'An access token was issued by client credentials or for an approved act (`ciba`; `of` is the sign-off), or a request for tokens was refused.',
});

export const tokenRevoked = defineAuditEvent({
  type: 'token.revoked',
  outcomes: ['ok', 'refused', 'unknown'],
  detail: { reason, user_id: user, client_id: id },
  meaning: 'A caller asked to revoke a token, a session, a token family, or all tokens of a user or client.',
});

export const tokenReplayDetected = defineAuditEvent({
  type: 'token.replay_detected',
  outcomes: ['replay'],
  detail: { user_id: user },
  meaning:
    'An access token was presented from another address or user agent than at first, or a refresh token after its successor was used.',
});

export const tokensValidated = defineAuditEvent({
  type: 'token.validations',
  durability: 'counted',
  outcomes: ['counted'],
  detail: {
    ...counts(
      'active',
      'malformed',
      'unknown_key',
      'bad_signature',
      'wrong_type',
      'wrong_issuer',
      'wrong_audience',
      'expired',
      'not_yet_valid',
      'revoked',
      'session_ended',
      'family_reused',
      'key_compromised',
      'binding_mismatch',
      'insufficient_scope',
      'unknown_id',
    ),
  },
  meaning: 'The number of tokens that one API process validated in a minute, by result and reason.',
});

export const familyCreated = defineAuditEvent({
  type: 'token.family_created',
  detail: {
    user_id: user,
    session_id: id,
    reason,
    verified_factors: listOf(known('password', 'totp', 'passkey', 'security_key')),
  },
  meaning: 'A token family was created and its first refresh token issued.',
});

export const familyEnded = defineAuditEvent({
  type: 'token.family_ended',
  detail: { user_id: user, session_id: id, reason, families: count },
  meaning: 'A token family was ended. `reason` says why.',
});

/** The rotation statement writes this and the next three with the rotation. */
export const tokenRefreshed = defineAuditEvent({
  type: 'token.refreshed',
  isPushed: true,
  outcomes: ['rotated', 'kept', 'grace', 'lost_answer', 'stale_copy', 'revoked', 'expired', 'mismatch', 'unknown'],
  detail: refresh,
  meaning:
    'A genuine refresh token was presented. `kept`: the client keeps its refresh tokens. `stale_copy`: an older copy got the current one. Outcomes other than rotated, kept, grace, lost_answer and stale_copy were rejections.',
});

export const tokenRefreshReused = defineAuditEvent({
  type: 'token.refresh_reused',
  isPushed: true,
  outcomes: ['replay'],
  detail: refresh,
  meaning:
    'A refresh token was presented after its successor had been used and was no copy that its client serves, so two parties have tokens of one family. The family ended, unless ENABLE_REPLAY_PROTECTION is off.',
});

export const tokenRefreshOverused = defineAuditEvent({
  type: 'token.refresh_overused',
  outcomes: ['grace_spent'],
  detail: refresh,
  meaning:
    'Older refresh tokens were presented more than REFRESH_GRACE_USES times since the last rotation, within the grace window or as copies. No token family was ended.',
});

export const tokenStateRewound = defineAuditEvent({
  type: 'token.state_rewound',
  outcomes: ['ahead'],
  detail: refresh,
  meaning: 'A genuine refresh token is newer than its row, so the database has lost commits.',
});
