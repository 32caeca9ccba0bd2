import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const handoffGivenUp = defineAuditEvent({
  type: 'handoff.given_up',
  durability: 'durable',
  outcomes: ['given_up'],
  meaning:
    'An endpoint did not accept an event and is not sent it again until an operator replays it: `endpoint`, `seq` of the event, `code` of the last failure, `attempts`.',
});

export const handoffReplayed = defineAuditEvent({
  type: 'handoff.replayed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An operator had an event sent again that was given up: `endpoint`, `seq` of the event, `reason`.',
});
