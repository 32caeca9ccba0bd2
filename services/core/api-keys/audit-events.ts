import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { counts, flag, id, label, listOf, reason, user } from '#services/platform/define/audit-member.ts';
import { KEY_REFUSALS } from './key-refusal-shapes.ts';

// Row triggers write these in the transaction that changes the row.
export const apiKeyCreated = defineAuditEvent({
  type: 'api_key.created',
  detail: { user_id: user, owner_client_id: id, permissions: listOf(label), signed: flag, reason },
  meaning: 'An API key was created. `detail` names its owner (user or client) and its permissions.',
});

export const apiKeyRotated = defineAuditEvent({
  type: 'api_key.rotated',
  detail: { user_id: user, owner_client_id: id, reason },
  meaning: 'An API key got a new secret. The old secret stays valid for the requested overlap.',
});

export const apiKeyRevoked = defineAuditEvent({
  type: 'api_key.revoked',
  detail: { user_id: user, owner_client_id: id, reason },
  meaning: 'An API key was revoked, or its owner was deleted. `reason` says why.',
});

export const apiKeysVerified = defineAuditEvent({
  type: 'api_key.verifications',
  durability: 'counted',
  outcomes: ['counted'],
  detail: { ...counts('active', ...KEY_REFUSALS) },
  meaning:
    'The number of API keys that one API process verified for other services in a minute, by result: by POST /v1/api-keys/verify and by introspection.',
});
