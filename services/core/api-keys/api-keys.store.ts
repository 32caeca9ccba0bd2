import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { defineFinder } from '../shared/finder.store.ts';
import { definePurge } from '../shared/purge.store.ts';
import { apiKeysRead } from './permissions.ts';

export type KeyOwner = { readonly kind: 'user' | 'client'; readonly id: string };

/** A key as a copy has it in memory: everything that a request by it is checked against. */
export type LiveKeyRow = {
  readonly id: string;
  readonly user_id: string | null;
  readonly client_id: string | null;
  readonly owner_epoch: number;
  readonly permissions: readonly string[];
  readonly secret_hash: Buffer;
  readonly previous_hash: Buffer | null;
  readonly previous_until_ms: number | null;
  readonly public_key: object | null;
  readonly requests_per_minute: number;
  readonly expires_at_ms: number;
  readonly is_revoked: boolean;
  /** Roles of the owning user. What a client may do is in the access directory. */
  readonly roles: readonly string[];
  readonly is_owner_disabled: boolean;
  readonly current_epoch: number;
};

const STATE = defineStatement('apiKeyStateRead', 'SELECT incarnation, access_version AS version FROM feed_state');

const MS = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;

// The changes since a version, by index api_keys_version. Locks nothing.
const apiKeysReadSince = defineStatement('apiKeysReadSince')`
  SELECT k.id, k.user_id, k.client_id, k.owner_epoch, k.permissions,
    k.secret_hash, k.previous_hash, ${MS('k.previous_until')} AS previous_until_ms,
    k.public_key, k.requests_per_minute, ${MS('k.expires_at')} AS expires_at_ms,
    k.revoked_at IS NOT NULL AS is_revoked, coalesce(u.roles, '{}') AS roles,
    u."disabledAt" IS NOT NULL AS is_owner_disabled, coalesce(u."tokenEpoch", 0) AS current_epoch
  FROM api_keys k LEFT JOIN users u ON u.id = k.user_id
  WHERE k.version > $1 AND (k.version > $2 OR k.revoked_at IS NULL AND k.expires_at > clock_timestamp())`;

// Locks the owner's row until commit: its epoch is the one the key is created under, and concurrent requests count keys
// one after the other.
const userOwnerLock = defineStatement('apiKeyUserOwnerLock')`
  SELECT "tokenEpoch" AS epoch FROM users WHERE id = $1 AND "disabledAt" IS NULL FOR NO KEY UPDATE`;
const clientOwnerLock = defineStatement('apiKeyClientOwnerLock')`
  SELECT "tokenEpoch" AS epoch FROM oauth_clients WHERE "clientId" = $1 AND disabled IS NOT TRUE FOR NO KEY UPDATE`;
/** Primary key. */
const rolesRead = defineStatement('apiKeyOwnerRolesRead', 'SELECT roles FROM users WHERE id = $1');
/** Runs after the owner's lock, in its own statement, so that it sees what the lock waited for. By primary keys. */
const loginRead = defineStatement('apiKeyLoginRead')`
  SELECT ($1::text IS NULL OR EXISTS (SELECT FROM sessions WHERE id = $1 AND "expiresAt" > clock_timestamp()))
    AND ($2::uuid IS NULL OR EXISTS (SELECT FROM refresh_families WHERE id = $2 AND revoked_at IS NULL)) AS is_live`;
// Also counts keys that ended soon after they were created, because their rows stay for months.
const liveOrNewCount = defineStatement('apiKeyLiveOrNewCount')`
  SELECT count(*)::int AS count FROM api_keys
  WHERE (user_id = $1 OR client_id = $2)
    AND (revoked_at IS NULL AND expires_at > clock_timestamp() OR created_at > clock_timestamp() - interval '1 day')`;
const apiKeyInsert = defineStatement('apiKeyInsert')`
  INSERT INTO api_keys (id, name, owner_kind, user_id, client_id, owner_epoch, permissions, secret_hash, public_key,
    requests_per_minute, lifetime_seconds, expires_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp() + make_interval(secs => $11::int))`;
const apiKeyRotate = defineStatement('apiKeyRotate')`
  UPDATE api_keys SET previous_hash = secret_hash, secret_hash = $2,
    previous_until = least(expires_at, clock_timestamp() + make_interval(secs => $3::int)),
    rotated_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => lifetime_seconds)
  WHERE id = $1 AND revoked_at IS NULL AND expires_at > clock_timestamp() AND owner_epoch = $4 RETURNING id`;
const apiKeyRevoke = defineStatement('apiKeyRevoke')`
  UPDATE api_keys SET revoked_at = clock_timestamp(), revoke_reason = $2 WHERE id = $1 AND revoked_at IS NULL`;

/** A user's keys whose secret was shown since a time; locked in id order, as by the trigger on the owner's row. */
const apiKeysRevokeSince = defineStatement('apiKeysRevokeSince')`
  UPDATE api_keys SET revoked_at = clock_timestamp(), revoke_reason = $3 WHERE id IN (
    SELECT id FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL
      AND greatest(created_at, rotated_at) >= $2::timestamptz
    ORDER BY id FOR NO KEY UPDATE)
  RETURNING 1`;

/** `last_used_at` and `uses` may be some seconds behind, because uses are counted in memory first. */
export type ApiKeyRow = {
  readonly id: string;
  readonly name: string;
  readonly owner_kind: 'user' | 'client';
  readonly owner_id: string | null;
  readonly is_ended: boolean;
  readonly is_expired: boolean;
  readonly permissions: string[];
  readonly requests_per_minute: number;
  readonly is_signed: boolean;
  readonly created_at: Date;
  readonly rotated_at: Date | null;
  readonly expires_at: Date;
  readonly previous_until: Date | null;
  readonly revoked_at: Date | null;
  readonly revoke_reason: string | null;
  readonly last_used_at: Date | null;
  readonly uses: number;
};

const VIEW = `SELECT k.id, k.name, k.owner_kind, coalesce(k.user_id, k.client_id) AS owner_id,
     coalesce(u."tokenEpoch", c."tokenEpoch", k.owner_epoch + 1) > k.owner_epoch
       OR u."disabledAt" IS NOT NULL OR coalesce(c.disabled, false) AS is_ended,
     k.expires_at <= clock_timestamp() AS is_expired, k.permissions, k.requests_per_minute,
     k.public_key IS NOT NULL AS is_signed, k.created_at, k.rotated_at,
     k.expires_at, k.previous_until, k.revoked_at,
     k.revoke_reason, n.last_used_at, coalesce(n.uses, 0) AS uses
   FROM api_keys k LEFT JOIN users u ON u.id = k.user_id LEFT JOIN oauth_clients c ON c."clientId" = k.client_id
     LEFT JOIN api_key_uses n ON n.key_id = k.id`;
const apiKeyRead = defineStatement('apiKeyRead', `${VIEW} WHERE k.id = $1`);
// Indexes: api_keys_user_id, api_keys_client_id and the primary key; each gives the rows in id order.
const apiKeysOfUserRead = defineStatement('apiKeysOfUserRead')`
  ${VIEW} WHERE k.user_id = $1 AND ($2::uuid IS NULL OR k.id < $2) ORDER BY k.id DESC LIMIT $3`;
const apiKeysOfClientRead = defineStatement('apiKeysOfClientRead')`
  ${VIEW} WHERE k.client_id = $1 AND ($2::uuid IS NULL OR k.id < $2) ORDER BY k.id DESC LIMIT $3`;
const apiKeysAllRead = defineStatement('apiKeysAllRead')`
  ${VIEW} WHERE ($1::uuid IS NULL OR k.id < $1) ORDER BY k.id DESC LIMIT $2`;

// In id order, as every statement that writes many rows. Keys deleted meanwhile are left out.
const apiKeyUsesAdd = defineStatement('apiKeyUsesAdd')`
  INSERT INTO api_key_uses (key_id, last_used_at, uses)
  SELECT given.id, to_timestamp(given.at / 1000), given.uses
  FROM unnest($1::uuid[], $2::float8[], $3::bigint[]) AS given (id, at, uses) JOIN api_keys k ON k.id = given.id
  ORDER BY given.id
  ON CONFLICT (key_id) DO UPDATE SET uses = api_key_uses.uses + excluded.uses,
    last_used_at = greatest(api_key_uses.last_used_at, excluded.last_used_at)`;
const nonceUse = defineStatement('apiKeyNonceUse')`
  INSERT INTO api_key_nonces (nonce_hash, expires_at) VALUES ($1, to_timestamp($2::float8 / 1000))
  ON CONFLICT DO NOTHING RETURNING 1`;

/** Keys that expired long ago. They stay for 90 days so that owners can look back. Index: api_keys_expires_at. */
const apiKeyPurge = definePurge({ table: 'api_keys', ends: 'expires_at', stays: `interval '90 days'` });
/** Nonces of requests that are too old to be accepted again. Index: api_key_nonces_expires_at. */
const noncePurge = definePurge({
  table: 'api_key_nonces',
  id: 'nonce_hash',
  ends: 'expires_at',
  stays: `interval '5 minutes'`,
});
export const apiKeyPurges = [apiKeyPurge, noncePurge] as const;

/** Read this before the rows: rows read after it are at least as new. */
export async function readKeyState(sql: Sql): Promise<{ readonly incarnation: string; readonly version: number }> {
  const [row] = await sql.query<{ incarnation: string; version: number }>(STATE);
  return row ?? { incarnation: '', version: 0 };
}

/** The changes after `version`; on the first load (`version` -1) live keys only. */
export const readKeysSince = (sql: Sql, version: number): Promise<LiveKeyRow[]> =>
  sql.query<LiveKeyRow>(apiKeysReadSince, [version, version < 0 ? Number.MAX_SAFE_INTEGER : version]);

/** Locks the owner until commit and returns its epoch; undefined for a disabled or deleted owner. */
export async function lockOwnerRow(tx: Sql, { kind, id }: KeyOwner): Promise<number | undefined> {
  const [row] = await tx.query<{ epoch: number }>(kind === 'user' ? userOwnerLock : clientOwnerLock, [id]);
  return row?.epoch;
}

/** Roles of a user; none of a deleted one. */
export const readOwnerRoles = async (sql: Sql, userId: string): Promise<readonly string[]> =>
  (await sql.query<{ roles: string[] }>(rolesRead, [userId]))[0]?.roles ?? [];

/** Whether the session and the token family of the caller's credential are still live; null means it has none. */
export async function isSignInLive(
  tx: Sql,
  { sessionId, familyId }: { readonly sessionId: string | null; readonly familyId: string | null },
): Promise<boolean> {
  const [row] = await tx.query<{ is_live: boolean }>(loginRead, [sessionId, familyId]);
  return row?.is_live === true;
}

/** Counts keys that are live, or were created within the last day. */
export async function countLiveOrNew(tx: Sql, { kind, id }: KeyOwner): Promise<number> {
  const [row] = await tx.query<{ count: number }>(liveOrNewCount, [
    kind === 'user' ? id : null,
    kind === 'client' ? id : null,
  ]);
  return row?.count ?? 0;
}

type NewApiKey = {
  readonly id: string;
  readonly name: string;
  readonly owner: KeyOwner;
  readonly ownerEpoch: number;
  readonly permissions: readonly string[];
  readonly secretHash: Buffer;
  readonly publicKey: object | null;
  readonly requestsPerMinute: number;
  readonly lifetimeSeconds: number;
};

export async function insertApiKey(tx: Sql, key: NewApiKey): Promise<void> {
  const { kind, id } = key.owner;
  await tx.query(apiKeyInsert, [
    key.id,
    key.name,
    kind,
    kind === 'user' ? id : null,
    kind === 'client' ? id : null,
    key.ownerEpoch,
    key.permissions,
    key.secretHash,
    key.publicKey === null ? null : JSON.stringify(key.publicKey),
    key.requestsPerMinute,
    key.lifetimeSeconds,
  ]);
}

/** False when the key is expired or revoked, or its owner has a newer epoch. */
export async function rotateSecret(
  tx: Sql,
  change: { readonly id: string; readonly secretHash: Buffer; readonly overlapSeconds: number; readonly epoch: number },
): Promise<boolean> {
  const rows = await tx.query(apiKeyRotate, [change.id, change.secretHash, change.overlapSeconds, change.epoch]);
  return rows.length === 1;
}

export const revokeKey = (tx: Sql, id: string, reason: string): Promise<unknown> =>
  tx.query(apiKeyRevoke, [id, reason]);

/** Revokes a user's keys that were created or rotated since a time. The caller has locked the user. */
export const revokeKeysSince = (tx: Sql, userId: string, since: string, reason: string): Promise<unknown> =>
  tx.query(apiKeysRevokeSince, [userId, since, reason]);

export async function readApiKey(sql: Sql, id: string): Promise<ApiKeyRow | undefined> {
  return (await sql.query<ApiKeyRow>(apiKeyRead, [id]))[0];
}

/** Newest first, below an id; keys of all owners when `owner` is undefined. */
export function readApiKeys(
  sql: Sql,
  owner: KeyOwner | undefined,
  before: string | undefined,
  limit: number,
): Promise<ApiKeyRow[]> {
  if (owner === undefined) return sql.query<ApiKeyRow>(apiKeysAllRead, [before ?? null, limit]);
  const statement = owner.kind === 'user' ? apiKeysOfUserRead : apiKeysOfClientRead;
  return sql.query<ApiKeyRow>(statement, [owner.id, before ?? null, limit]);
}

export type KeyUse = { readonly id: string; readonly lastUsedAtMs: number; readonly uses: number };

export async function addUses(sql: Sql, uses: readonly KeyUse[]): Promise<void> {
  await sql.query(apiKeyUsesAdd, [
    uses.map(({ id }) => id),
    uses.map(({ lastUsedAtMs }) => lastUsedAtMs),
    uses.map((use) => use.uses),
  ]);
}

/** True the first time for each nonce. */
export async function useNonce(sql: Sql, nonceHash: Buffer, expiresAtMs: number): Promise<boolean> {
  return (await sql.query(nonceUse, [nonceHash, expiresAtMs])).length === 1;
}

/** Indexes: the primary key, api_keys_find. */
export const apiKeyFinder = defineFinder({
  kind: 'api_key',
  permission: apiKeysRead,
  from: 'api_keys',
  id: 'id',
  label: 'name',
  owner: ['owner_kind', 'coalesce(user_id, client_id)'],
  parts: ['name'],
  hasUuid: true,
});
