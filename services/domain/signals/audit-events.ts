import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const transmitterChanged = defineAuditEvent({
  type: 'signal.transmitter_changed',
  durability: 'durable',
  outcomes: ['created', 'removed'],
  meaning: 'A transmitter of shared signals was accepted or removed; `issuer` says which, `reason` says why.',
});

export const signalStreamChanged = defineAuditEvent({
  type: 'signal.stream_changed',
  durability: 'durable',
  outcomes: ['created', 'changed', 'deleted'],
  meaning:
    'A receiver created, changed or deleted its stream of shared signals `stream_id`, or an administrator gave it a `status`, for a `reason`.',
});

export const signalStreamVerified = defineAuditEvent({
  type: 'signal.stream_verified',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'A receiver requested a verification event through its stream `stream_id`, with the `state` that it compares, or an administrator did, for a `reason`.',
});

export const signalReceived = defineAuditEvent({
  type: 'signal.received',
  durability: 'durable',
  outcomes: ['applied', 'no_user', 'ignored'],
  meaning:
    'A transmitter sent the shared signal `event`, as `signal_id`. `applied`: every session and token of its user ended. `no_user`: no account here belongs to its subject. `ignored`: it asks for nothing.',
});
