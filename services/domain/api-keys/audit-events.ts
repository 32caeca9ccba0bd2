import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

// Written by row triggers, in whichever transaction changes the row (migration api_keys).
export const apiKeyCreated = defineAuditEvent({
  type: 'api_key.created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An API key was made, for the user or client in `detail` and with the permissions named there.',
});

export const apiKeyRotated = defineAuditEvent({
  type: 'api_key.rotated',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An API key got a new secret; the one before stays good for the overlap that was asked for.',
});

export const apiKeyRevoked = defineAuditEvent({
  type: 'api_key.revoked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An API key was revoked, or ended because its owner was deleted; `reason` says why.',
});
