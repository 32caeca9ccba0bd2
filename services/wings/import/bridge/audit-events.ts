import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { code, flag, id, oneOf } from '#services/platform/define/audit-member.ts';

export const legacySessionExchanged = defineAuditEvent({
  type: 'legacy.session_exchanged',
  outcomes: ['ok', 'refused'],
  detail: { session_id: id, repeated: flag, linked_by: oneOf('import', 'address'), code },
  meaning:
    'A live session of the old provider was exchanged for a session here, without a sign-in. `detail.session_id` is the session here, and `repeated` says that it existed before. `linked_by: address` means that the user was recognised by an address verified on both sides. `detail.code` says why it was refused.',
});

export const legacyWebhookRefused = defineAuditEvent({
  type: 'legacy.webhook_refused',
  outcomes: ['refused'],
  detail: { why: oneOf('unsigned', 'forged', 'stale') },
  meaning:
    'A webhook of the old provider was refused. `detail.why` is `unsigned`, `forged` (another secret, or other bytes than those that were signed) or `stale` (not of the last five minutes).',
});

export const legacyEventApplied = defineAuditEvent({
  type: 'legacy.event_applied',
  outcomes: ['ok', 'dropped'],
  detail: {
    kind: oneOf('session_ended', 'user_created', 'user_updated', 'user_deleted'),
    state: oneOf('applied', 'user_not_imported', 'user_deleted_here', 'superseded', 'last_admin'),
  },
  meaning:
    'An event of the old provider (`detail.kind`) was applied here, or dropped: `detail.state` is `user_not_imported` (a day after it came), `user_deleted_here`, `superseded` (a later event was applied before) or `last_admin`.',
});
