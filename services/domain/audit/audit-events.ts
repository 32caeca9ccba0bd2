import { defineAuditEvent } from '../../platform/define/audit-event.ts';

export const auditSealingStopped = defineAuditEvent({
  type: 'audit.sealing_stopped',
  durability: 'durable',
  outcomes: ['database_behind', 'forked', 'tiles_damaged'],
  meaning:
    'Nothing is sealed any more, events wait: the database is behind the head of the log kept outside it, has other leaves than that head, or its tiles do not give its root.',
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
