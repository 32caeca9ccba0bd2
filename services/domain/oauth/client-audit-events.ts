import { defineAuditEvent } from '../../platform/define/audit-event.ts';

export const consentWithdrawn = defineAuditEvent({
  type: 'oauth.consent_withdrawn',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A user lets a client act for them no more; `logins` of it were ended with their access tokens.',
});
