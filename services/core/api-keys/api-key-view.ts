import type { ApiKeyRow } from './api-keys.store.ts';
import type { ApiKeyView } from './contract.ts';

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;

function stateOf({ revoked_at: revokedAt, is_expired: isExpired, is_ended: isEnded }: ApiKeyRow): ApiKeyView['state'] {
  if (revokedAt !== null) return 'revoked';
  if (isExpired) return 'expired';
  return isEnded ? 'ended' : 'live';
}

/** A key as its owner and administrators see it, without its secret. */
export const apiKeyViewOf = (row: ApiKeyRow): ApiKeyView => ({
  api_key_id: row.id,
  name: row.name,
  owner: { kind: row.owner_kind, id: row.owner_id },
  state: stateOf(row),
  permissions: row.permissions,
  requests_per_minute: row.requests_per_minute,
  signed: row.is_signed,
  created_at: row.created_at.toISOString(),
  rotated_at: iso(row.rotated_at),
  expires_at: row.expires_at.toISOString(),
  previous_secret_until: iso(row.previous_until),
  revoked_at: iso(row.revoked_at),
  revoke_reason: row.revoke_reason,
  last_used_at: iso(row.last_used_at),
  uses: row.uses,
});
