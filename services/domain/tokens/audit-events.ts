import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

/** A token of a client's own (client credentials), or a pair refused; pairs are recorded with their family. */
export const tokenIssued = defineAuditEvent({
  type: 'token.issued',
  durability: 'durable',
  outcomes: ['ok', 'refused'],
  meaning: 'An access token was issued by client credentials, or a request for tokens was refused.',
});

export const tokenRevoked = defineAuditEvent({
  type: 'token.revoked',
  durability: 'durable',
  outcomes: ['ok', 'refused', 'unknown'],
  meaning: 'Somebody asked to end a token, session, family, user’s or client’s tokens.',
});

export const tokenReplayDetected = defineAuditEvent({
  type: 'token.replay_detected',
  durability: 'durable',
  outcomes: ['replay'],
  meaning: 'A token was shown by somebody else than its first holder, or a refresh token after its successor was used.',
});

export const tokensValidated = defineAuditEvent({
  type: 'token.validations',
  durability: 'counted',
  outcomes: ['counted'],
  meaning: 'How many tokens one copy judged in a minute, by result and reason.',
});

export const familyCreated = defineAuditEvent({
  type: 'token.family_created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A login began: its first refresh token was issued.',
});

export const familyEnded = defineAuditEvent({
  type: 'token.family_ended',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A login was ended; `reason` says why.',
});

/** Written by the rotation statement itself, with the rotation. */
export const tokenRefreshed = defineAuditEvent({
  type: 'token.refreshed',
  durability: 'durable',
  outcomes: ['rotated', 'grace', 'lost_answer', 'revoked', 'expired', 'mismatch', 'unknown'],
  meaning: 'A genuine refresh token was presented; all but rotated, grace and lost_answer were refused.',
});

export const tokenRefreshReused = defineAuditEvent({
  type: 'token.refresh_reused',
  durability: 'durable',
  outcomes: ['replay'],
  meaning:
    'An outdated refresh token came back: two holders of one login. Its family has ended unless replay protection is off.',
});

export const tokenRefreshOverused = defineAuditEvent({
  type: 'token.refresh_overused',
  durability: 'durable',
  outcomes: ['grace_spent'],
  meaning:
    'The previous refresh token was presented more often than its grace allows, within its window. Nothing ended.',
});

export const tokenStateRewound = defineAuditEvent({
  type: 'token.state_rewound',
  durability: 'durable',
  outcomes: ['ahead'],
  meaning: 'A genuine refresh token is newer than its row: the database has lost commits.',
});

export const revocationsCollapsed = defineAuditEvent({
  type: 'revocations.collapsed',
  durability: 'durable',
  outcomes: ['user', 'client', 'global'],
  meaning:
    'Single revocations passed REVOCATION_BUDGET: epochs were raised in their place, which refuses more than they did.',
});
