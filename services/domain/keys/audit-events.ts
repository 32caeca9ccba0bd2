import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const keyPublished = defineAuditEvent({
  type: 'key.published',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A signing key was created and published; `signs_from` says when it starts to sign.',
});

export const keyCompromised = defineAuditEvent({
  type: 'key.compromised',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A signing key was removed from the key set and its tokens are rejected; `replaced_by` signs immediately.',
});

export const keyPrivatePartDestroyed = defineAuditEvent({
  type: 'key.private_part_destroyed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'The private key of a signing key that no longer signs was destroyed.',
});

export const keyStopped = defineAuditEvent({
  type: 'key.stopped',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'A key stopped signing because the configuration no longer uses it: the shared secret of HS256 (JWT_SECRET), or a key of an algorithm that neither JWT_ADDITIONAL_ALGORITHMS nor a client names any more.',
});

export const keyEncryptionChanged = defineAuditEvent({
  type: 'key_encryption.changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'All encrypted keys and secrets were re-encrypted under a new key-encryption key; `values` says how many.',
});

export const serverSecretCreated = defineAuditEvent({
  type: 'server_secret.created',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A version of a server secret was created; it is used from `activates_at` on.',
});

export const serverSecretDestroyed = defineAuditEvent({
  type: 'server_secret.destroyed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A version of a server secret was destroyed because nothing uses it any more.',
});
