import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { code, flag, id, name, oneOf, reason } from '#services/platform/define/audit-member.ts';

export const transmitterChanged = defineAuditEvent({
  type: 'signal.transmitter_changed',
  outcomes: ['created', 'removed'],
  detail: { transmitter_id: id, issuer: name, provider: name, match_email: flag, own_ids: flag, reason },
  meaning: 'A transmitter of shared signals was accepted or removed; `issuer` says which, `reason` says why.',
});

export const signalStreamChanged = defineAuditEvent({
  type: 'signal.stream_changed',
  outcomes: ['created', 'changed', 'deleted'],
  detail: { stream_id: id, status: oneOf('enabled', 'paused', 'disabled'), reason },
  meaning:
    'A receiver created, changed or deleted its stream of shared signals `stream_id`, or an administrator gave it a `status`, for a `reason`.',
});

export const signalStreamVerified = defineAuditEvent({
  type: 'signal.stream_verified',
  detail: { stream_id: id, state: name, reason },
  meaning:
    'A receiver requested a verification event through its stream `stream_id`, with the `state` that it compares, or an administrator did, for a `reason`.',
});

export const signalReceived = defineAuditEvent({
  type: 'signal.received',
  outcomes: ['applied', 'no_user', 'ignored'],
  detail: { signal_id: id, transmitter_id: id, event: code },
  meaning:
    'A transmitter sent the shared signal `event`, as `signal_id`. `applied`: every session and token of its user ended. `no_user`: no account here belongs to its subject. `ignored`: it asks for nothing.',
});

export const signalsLimitReached = defineAuditEvent({
  type: 'signal.limited',
  outcomes: ['refused'],
  detail: { transmitter_id: id },
  meaning:
    'The transmitter `transmitter_id` ended the sessions of as many users as it may within a minute; its next events are refused and may come again. At most once a minute and copy.',
});
