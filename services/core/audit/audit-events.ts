import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { count, logHead, name, oneOf, reason, user } from '#services/platform/define/audit-member.ts';

export const auditSealingStopped = defineAuditEvent({
  type: 'audit.sealing_stopped',
  outcomes: ['database_behind', 'forked', 'tiles_damaged', 'continued_elsewhere', 'log_forged_continuation'],
  detail: { log: logHead, mark: logHead },
  meaning:
    'The worker stopped sealing, and events wait in the outbox. The audit log in the database is behind the high-water mark kept outside it, has different leaves, has tiles that do not match its signed root, or is not the log that the high-water mark names.',
});

export const auditSealingResumed = defineAuditEvent({
  type: 'audit.sealing_resumed',
  detail: { log: logHead },
  meaning: 'The database has reached the high-water mark again, and sealing continues.',
});

export const auditLogContinued = defineAuditEvent({
  type: 'audit.log_continued',
  detail: { reason, held: logHead, lost: logHead },
  meaning:
    'An operator accepted that leaves were lost, and a new log began. This event is its first leaf and names the last signed head of the previous log.',
});

export const auditRowRefused = defineAuditEvent({
  type: 'audit.row_refused',
  outcomes: ['key_unknown'],
  detail: { claimed_type: name, claimed_actor: oneOf('user', 'client', 'system', 'anonymous'), claimed_actor_id: user },
  meaning:
    'The sealer did not seal a row of the outbox as what it claims (`claimed_type`), because it is about a key that the vault does not have. A process or a person with rights on the database wrote it.',
});

export const auditPersonalErased = defineAuditEvent({
  type: 'audit.personal_erased',
  detail: { values: count, unsealed: count },
  meaning: 'An operator erased the personal values of a user’s events; the events and every proof are unchanged.',
});
