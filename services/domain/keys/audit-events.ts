import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const keyPublished = defineAuditEvent({
  type: 'key.published',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A signing key was made and published; `signs_from` says when it signs.',
});

export const keyCompromised = defineAuditEvent({
  type: 'key.compromised',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A signing key was taken out of the key set and its tokens are refused; `replaced_by` signs at once.',
});

export const keyPrivatePartDestroyed = defineAuditEvent({
  type: 'key.private_part_destroyed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'The private part of a key that no longer signs was destroyed.',
});

export const keyStopped = defineAuditEvent({
  type: 'key.stopped',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A shared secret stopped signing because the configuration no longer uses it.',
});

export const keyEncryptionChanged = defineAuditEvent({
  type: 'key_encryption.changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'All sealed keys and secrets were sealed again under another key-encryption key; `values` says how many.',
});

export const serverSecretCreated = defineAuditEvent({
  type: 'server_secret.created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A version of a server secret was made; it is used from `activates_at` on.',
});

export const serverSecretDestroyed = defineAuditEvent({
  type: 'server_secret.destroyed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A version of a server secret that nothing depends on any more was destroyed.',
});
