import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const incidentRaised = defineAuditEvent({
  type: 'incident.raised',
  durability: 'durable',
  outcomes: ['open'],
  meaning:
    'A detection raised an incident. Later sightings of the same detection and subject are added to it until it is closed.',
});

export const incidentActed = defineAuditEvent({
  type: 'incident.acted',
  durability: 'durable',
  outcomes: ['end_session', 'block_network', 'revoke_sessions', 'step_up'],
  meaning:
    'An action of the detection’s policy was taken, in the transaction that records it. After `step_up`, a user on an unknown device cannot sign in with only the password or only a social provider. An unlock code is mailed to the owner’s verified address, once for each block.',
});

export const eventSetAside = defineAuditEvent({
  type: 'incident.event_set_aside',
  durability: 'durable',
  outcomes: ['set_aside'],
  meaning:
    'The last attempt to evaluate an event failed with the code `failure`; the event with the number `seq` waits until an operator retries it.',
});

export const eventRetried = defineAuditEvent({
  type: 'incident.event_retried',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'An operator retried an event that was set aside; `reason` says why.',
});

export const incidentChanged = defineAuditEvent({
  type: 'incident.changed',
  durability: 'durable',
  outcomes: ['acknowledged', 'closed'],
  meaning: 'An incident was acknowledged or closed; `reason` says why.',
});
