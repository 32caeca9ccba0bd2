import { defineAuditEvent } from '../../platform/define/audit-event.ts';

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

export const tokensValidated = defineAuditEvent({
  type: 'token.validations',
  durability: 'counted',
  outcomes: ['counted'],
  meaning: 'How many tokens one copy judged in a minute, by result and reason.',
});
