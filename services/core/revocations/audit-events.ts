import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { count } from '#services/platform/define/audit-member.ts';

export const revocationsCollapsed = defineAuditEvent({
  type: 'revocations.collapsed',
  outcomes: ['user', 'client', 'global'],
  detail: { raised: count, collapsed: count, entries: count, budget: count },
  meaning:
    'Revocations exceeded REVOCATION_BUDGET and were replaced by epochs. An epoch rejects all earlier tokens of a user, of a client or of the installation, so more tokens are rejected than were revoked.',
});
