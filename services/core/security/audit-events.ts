import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { code, count, id, oneOf, personal, reason, user } from '#services/platform/define/audit-member.ts';

export const incidentRaised = defineAuditEvent({
  type: 'incident.raised',
  isPushed: true,
  outcomes: ['open'],
  detail: {
    detection: code,
    severity: oneOf('low', 'medium', 'high', 'critical'),
    subject: oneOf('user', 'client', 'identifier', 'network', 'installation'),
    identifier: personal,
    user_id: user,
    client_id: id,
    installation_id: oneOf('sallyport'),
  },
  meaning:
    'A detection raised an incident. Later sightings of the same detection and subject are added to it until it is closed.',
});

export const incidentActed = defineAuditEvent({
  type: 'incident.acted',
  outcomes: ['end_session', 'block_network', 'revoke_sessions', 'step_up'],
  detail: { detection: code, user_id: user },
  meaning:
    'An action of the detection’s policy was taken, in the transaction that records it. After `step_up`, a user on an unknown device cannot sign in with only the password or only a social provider. An unlock code is mailed to the owner’s verified address, once for each block.',
});

export const eventSetAside = defineAuditEvent({
  type: 'incident.event_set_aside',
  outcomes: ['set_aside'],
  detail: { seq: count, failure: code },
  meaning:
    'The last attempt to evaluate an event failed with the code `failure`; the event with the number `seq` waits until an operator retries it.',
});

export const eventRetried = defineAuditEvent({
  type: 'incident.event_retried',
  detail: { seq: count, reason },
  meaning: 'An operator retried an event that was set aside; `reason` says why.',
});

export const incidentChanged = defineAuditEvent({
  type: 'incident.changed',
  isPushed: true,
  outcomes: ['acknowledged', 'closed'],
  detail: { detection: code, reason },
  meaning: 'An incident was acknowledged or closed; `reason` says why.',
});
