import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const auditSealingStopped = defineAuditEvent({
  type: 'audit.sealing_stopped',
  durability: 'durable',
  outcomes: ['database_behind', 'forked', 'tiles_damaged', 'continued_elsewhere', 'log_forged_continuation'],
  meaning:
    'Nothing is sealed any more, events wait: the database is behind the high-water mark kept outside it, has other leaves, its tiles do not give its root, or another log took the place of the one that the mark names.',
});

export const auditSealingResumed = defineAuditEvent({
  type: 'audit.sealing_resumed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'The database is at its head again and sealing goes on.',
});

export const auditLogContinued = defineAuditEvent({
  type: 'audit.log_continued',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'An operator accepted that leaves of the log are lost: a new log began. It is its first leaf and names the lost head.',
});

export const auditPersonalErased = defineAuditEvent({
  type: 'audit.personal_erased',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'The personal values of a user’s events were erased; the events and every proof stay as they were.',
});
