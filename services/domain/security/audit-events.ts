import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const incidentRaised = defineAuditEvent({
  type: 'incident.raised',
  durability: 'durable',
  outcomes: ['open'],
  meaning: 'A detection saw something for the first time since the last incident of its kind and subject was closed.',
});

export const incidentActed = defineAuditEvent({
  type: 'incident.acted',
  durability: 'durable',
  outcomes: ['end_session', 'block_network', 'revoke_sessions', 'step_up'],
  meaning:
    'What the policy of the detection says was done at once, in the transaction that says so. `step_up`: neither password nor another provider alone opens the account from an unknown device, and its owner is mailed the way back in, once for a closing, at an address that somebody has proved.',
});

export const eventSetAside = defineAuditEvent({
  type: 'incident.event_set_aside',
  durability: 'durable',
  outcomes: ['set_aside'],
  meaning:
    'The last try to judge an event failed, `failure` says by what; its `seq` waits until an operator has it retried.',
});

export const eventRetried = defineAuditEvent({
  type: 'incident.event_retried',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An operator has an event judged again that was set aside; `reason` says why.',
});

export const incidentChanged = defineAuditEvent({
  type: 'incident.changed',
  durability: 'durable',
  outcomes: ['acknowledged', 'closed'],
  meaning: 'Somebody took up an incident or closed it; `reason` says why.',
});
