import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { code, count, name, reason } from '#services/platform/define/audit-member.ts';

export const handoffGivenUp = defineAuditEvent({
  type: 'handoff.given_up',
  outcomes: ['given_up'],
  detail: { endpoint: name, seq: count, code, attempts: count },
  meaning:
    'An endpoint did not accept an event and is not sent it again until an operator replays it: `endpoint`, `seq` of the event, `code` of the last failure, `attempts`.',
});

export const handoffReplayed = defineAuditEvent({
  type: 'handoff.replayed',
  detail: { endpoint: name, seq: count, reason },
  meaning: 'An operator had an event sent again that was given up: `endpoint`, `seq` of the event, `reason`.',
});

export const siemReplayed = defineAuditEvent({
  type: 'siem.replayed',
  detail: { siem_target: name, seq: count, reached_seq: count, reason },
  meaning:
    'An operator had a target of the SIEM export (`siem_target`) get all events from `seq` on again; it had them up to `reached_seq`. `reason` says why.',
});

export const siemEventSkipped = defineAuditEvent({
  type: 'siem.event_skipped',
  outcomes: ['skipped'],
  detail: { siem_target: name, seq: count, code },
  meaning:
    'A target of the SIEM export (`siem_target`) refused the event `seq` six times, with the `code` of the last answer, and goes on without it.',
});
