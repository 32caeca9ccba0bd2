import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const restoreAccepted = defineAuditEvent({
  type: 'operations.restore_accepted',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'An operator accepted that what a restored database has lost is lost: a new incarnation began, every session, login and token before it ended.',
});

export const queueChanged = defineAuditEvent({
  type: 'operations.queue_changed',
  durability: 'durable',
  outcomes: ['requested'],
  meaning: 'An operator asked for a change to the jobs of a queue: tried again, removed, paused or resumed.',
});
