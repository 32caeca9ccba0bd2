import { defineAuditEvent } from '../../platform/define/audit-event.ts';

// Written by row triggers, in whichever transaction changes the row (migration access).
export const clientCreated = defineAuditEvent({
  type: 'client.created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An OAuth client was made.',
});

export const clientChanged = defineAuditEvent({
  type: 'client.changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An OAuth client was changed; no token of it ended.',
});

export const clientDeleted = defineAuditEvent({
  type: 'client.deleted',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An OAuth client was deleted: its tokens and logins ended with it.',
});

export const clientTokensRevoked = defineAuditEvent({
  type: 'client.tokens_revoked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'Every token and login of a client from before was ended; `reason` says why.',
});
