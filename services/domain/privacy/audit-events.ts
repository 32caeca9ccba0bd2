import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const phiEncrypted = defineAuditEvent({
  type: 'phi.encrypted',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A value about the subject was encrypted for `purpose`. The event has no part of the value.',
});

export const phiDecrypted = defineAuditEvent({
  type: 'phi.decrypted',
  durability: 'durable',
  outcomes: ['ok', 'refused'],
  meaning:
    'A value about the subject was decrypted for `purpose`, or was refused with the error `code`. Committed before the value is returned.',
});

export const phiKeyCreated = defineAuditEvent({
  type: 'phi.key_created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A key-encryption key for data keys was created. New data keys are wrapped under it from now on.',
});

export const phiRotated = defineAuditEvent({
  type: 'phi.keys_rotated',
  durability: 'durable',
  outcomes: ['started', 'done'],
  meaning:
    'Data keys are being re-wrapped under a new key-encryption key (`started`), or all of them are, and the older keys are destroyed (`done`).',
});

export const phiShreddedEvent = defineAuditEvent({
  type: 'phi.shredded',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'Every data key of the subject was destroyed: no value encrypted before can be decrypted. `reason` says why.',
});
