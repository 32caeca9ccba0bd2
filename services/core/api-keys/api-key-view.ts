import type { ApiKeyRow } from './api-keys.store.ts';
import type { ApiKeyView } from './contract.ts';

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;

function stateOf({ revokedAt, isExpired, isEnded }: ApiKeyRow): ApiKeyView['state'] {
  if (revokedAt !== null) return 'revoked';
  if (isExpired) return 'expired';
  return isEnded ? 'ended' : 'live';
}

/** A key as its owner and administrators see it, without its secret. */
export const apiKeyViewOf = (row: ApiKeyRow): ApiKeyView => ({
  api_key_id: row.id,
  name: row.name,
  owner: { kind: row.ownerKind, id: row.ownerId },
  state: stateOf(row),
  permissions: row.permissions,
  requests_per_minute: row.requestsPerMinute,
  signed: row.isSigned,
  created_at: row.createdAt.toISOString(),
  rotated_at: iso(row.rotatedAt),
  expires_at: row.expiresAt.toISOString(),
  previous_secret_until: iso(row.previousUntil),
  revoked_at: iso(row.revokedAt),
  revoke_reason: row.revokeReason,
  last_used_at: iso(row.lastUsedAt),
  uses: row.uses,
});
