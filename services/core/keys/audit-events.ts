import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { count, instant, known, name, reason } from '#services/platform/define/audit-member.ts';

export const keyPublished = defineAuditEvent({
  type: 'key.published',
  detail: {
    alg: known('RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519', 'HS256'),
    purpose: known('access', 'access:RS256', 'access:ES256', 'access:EdDSA', 'audit-log'),
    signs_from: instant,
  },
  meaning: 'A signing key was created and published; `signs_from` says when it starts to sign.',
});

export const keyCompromised = defineAuditEvent({
  type: 'key.compromised',
  detail: { reason, replaced_by: name },
  meaning: 'A signing key was removed from the key set and its tokens are rejected; `replaced_by` signs immediately.',
});

export const keyPrivatePartDestroyed = defineAuditEvent({
  type: 'key.private_part_destroyed',
  meaning: 'The private key of a signing key that no longer signs was destroyed.',
});

export const keyStopped = defineAuditEvent({
  type: 'key.stopped',
  meaning:
    'A key stopped signing because the configuration no longer uses it: the shared secret of HS256 (JWT_SECRET), or a key of an algorithm that neither JWT_ADDITIONAL_ALGORITHMS nor a client names any more.',
});

export const keyEncryptionChanged = defineAuditEvent({
  type: 'key_encryption.changed',
  detail: { values: count },
  meaning: 'All encrypted keys and secrets were re-encrypted under a new key-encryption key; `values` says how many.',
});

export const serverSecretCreated = defineAuditEvent({
  type: 'server_secret.created',
  detail: { activates_at: instant },
  meaning: 'A version of a server secret was created; it is used from `activates_at` on.',
});

export const serverSecretDestroyed = defineAuditEvent({
  type: 'server_secret.destroyed',
  meaning: 'A version of a server secret was destroyed because nothing uses it any more.',
});
