import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { OpenRequestCount } from '../open-requests.ts';
import type { AuthorizationDetails } from '../requested-terms.ts';

const deviceGrantInsert = defineStatement(
  'oauthDeviceGrantInsert',
  `INSERT INTO oauth_device_grants (device_code_hash, user_code, client_id, scope, audience, share, interval_seconds, expires_at, authorization_details)
   VALUES ($1::bytea, $2, $3, $4, $5, $6, $7::int2, clock_timestamp() + make_interval(secs => $8::float8), $9)
   ON CONFLICT DO NOTHING RETURNING 1`,
);

/** Index: oauth_device_grants_share; stops counting at the limit. */
const deviceGrantShareCount = defineStatement(
  'oauthDeviceGrantsShareCount',
  `SELECT count(*)::int AS count FROM (
     SELECT FROM oauth_device_grants WHERE client_id = $1 AND share = $2 AND expires_at > clock_timestamp() LIMIT $3) counted`,
);
/** The same for all shares of a client; uses the first column of the index. */
const deviceGrantCount = defineStatement(
  'oauthDeviceGrantsCount',
  `SELECT count(*)::int AS count FROM (
     SELECT FROM oauth_device_grants WHERE client_id = $1 AND expires_at > clock_timestamp() LIMIT $2) counted`,
);

const deviceGrantRead = defineStatement(
  'oauthDeviceGrantRead',
  `SELECT client_id, scope, audience, authorization_details FROM oauth_device_grants
   WHERE user_code = $1 AND status = 'pending' AND expires_at > clock_timestamp()`,
);

/**
 * Stores the first decision; a concurrent second one finds no row. The caller has locked the session, so an event that
 * ends the session raises the epochs only after they are read here. Uses the unique user code and the keys of user and
 * client.
 */
const deviceGrantDecide = defineStatement(
  'oauthDeviceGrantDecide',
  `UPDATE oauth_device_grants g SET status = $2, user_id = u.id, user_epoch = u."tokenEpoch", client_epoch = c."tokenEpoch",
     auth_time = to_timestamp($4::float8), decided_at = clock_timestamp()
   FROM users u, oauth_clients c
   WHERE g.user_code = $1 AND g.status = 'pending' AND g.expires_at > clock_timestamp()
     AND u.id = $3 AND u."disabledAt" IS NULL AND c."clientId" = g.client_id
   RETURNING g.client_id, g.scope, g.audience, g.authorization_details`,
);

/**
 * Consumes an approved grant once: concurrent polls wait for the first to commit and find no row. Uses the primary key.
 */
const deviceGrantConsume = defineStatement(
  'oauthDeviceGrantConsume',
  `DELETE FROM oauth_device_grants WHERE device_code_hash = $1::bytea AND client_id = $2 AND status = 'approved'
     AND expires_at > clock_timestamp()
   RETURNING user_id, user_epoch, client_epoch, scope, audience, authorization_details,
     extract(epoch FROM auth_time)::int8 AS auth_time`,
);

/**
 * Reads why a grant cannot be redeemed. A poll that comes too early lengthens the interval (RFC 8628 §3.5). Uses the
 * primary key.
 */
const deviceGrantPoll = defineStatement(
  'oauthDeviceGrantPoll',
  `WITH held AS MATERIALIZED (
     SELECT device_code_hash, coalesce(polled_at > clock_timestamp() - make_interval(secs => interval_seconds), false) AS is_early
     FROM oauth_device_grants WHERE device_code_hash = $1::bytea AND client_id = $2 FOR NO KEY UPDATE
   )
   UPDATE oauth_device_grants g SET polled_at = clock_timestamp(),
     interval_seconds = least(120, g.interval_seconds + CASE WHEN h.is_early THEN 5 ELSE 0 END)::int2
   FROM held h WHERE g.device_code_hash = h.device_code_hash
   RETURNING g.status, h.is_early, g.expires_at <= clock_timestamp() AS is_expired`,
);

/**
 * Deletes approved grants that no device has redeemed; waits for a concurrent redemption. Index:
 * oauth_device_grants_user_id.
 */
const deviceGrantsOfDelete = defineStatement(
  'oauthDeviceGrantsOfDelete',
  `DELETE FROM oauth_device_grants WHERE device_code_hash IN
     (SELECT device_code_hash FROM oauth_device_grants WHERE user_id = $1 AND client_id = $2 AND status = 'approved'
      ORDER BY device_code_hash FOR UPDATE)
   RETURNING 1`,
);

/**
 * Expired grants are kept for ten minutes, so that their devices learn of it. Index: oauth_device_grants_expires_at.
 */
export const deviceGrantPurge = definePurge({
  table: 'oauth_device_grants',
  id: 'device_code_hash',
  ends: 'expires_at',
  stays: `interval '10 minutes'`,
});

export type DeviceGrantTerms = {
  readonly client_id: string;
  readonly scope: string;
  readonly audience: string;
  readonly authorization_details: AuthorizationDetails | null;
};

type NewDeviceGrant = DeviceGrantTerms & {
  readonly deviceCodeHash: Buffer;
  readonly userCode: string;
  /** Keyed hash of the sender's address; null for an authenticated client, whose requests have no share. */
  readonly share: string | null;
  readonly intervalSeconds: number;
  readonly lifeSeconds: number;
};

/** Counts the grants of the client that have not expired. */
export const deviceGrantCounts = (sql: Sql, clientId: string): OpenRequestCount => ({
  ofShare: async (share, limit) =>
    (await sql.query<{ count: number }>(deviceGrantShareCount, [clientId, share, limit]))[0]!.count,
  ofClient: async (limit) => (await sql.query<{ count: number }>(deviceGrantCount, [clientId, limit]))[0]!.count,
});

/** Returns false if another grant has the user code. */
export async function insertDeviceGrant(sql: Sql, grant: NewDeviceGrant): Promise<boolean> {
  const rows = await sql.query(deviceGrantInsert, [
    grant.deviceCodeHash,
    grant.userCode,
    grant.client_id,
    grant.scope,
    grant.audience,
    grant.share,
    grant.intervalSeconds,
    grant.lifeSeconds,
    grant.authorization_details,
  ]);
  return rows.length === 1;
}

export const readDeviceGrant = async (sql: Sql, userCode: string): Promise<DeviceGrantTerms | undefined> =>
  (await sql.query<DeviceGrantTerms>(deviceGrantRead, [userCode]))[0];

export async function decideDeviceGrant(
  tx: Sql,
  userCode: string,
  decision: { readonly status: 'approved' | 'denied'; readonly userId: string; readonly authTime: number },
): Promise<DeviceGrantTerms | undefined> {
  const values = [userCode, decision.status, decision.userId, decision.authTime];
  return (await tx.query<DeviceGrantTerms>(deviceGrantDecide, values))[0];
}

type ConsumedDeviceGrant = {
  readonly user_id: string;
  /** The epochs at the user's decision. */
  readonly user_epoch: number;
  readonly client_epoch: number;
  readonly scope: string;
  readonly audience: string;
  readonly authorization_details: AuthorizationDetails | null;
  /** Unix seconds. */
  readonly auth_time: number;
};

export const consumeDeviceGrant = async (
  tx: Sql,
  deviceCodeHash: Buffer,
  clientId: string,
): Promise<ConsumedDeviceGrant | undefined> =>
  (await tx.query<ConsumedDeviceGrant>(deviceGrantConsume, [deviceCodeHash, clientId]))[0];

/** Returns the number of deleted grants. */
export const deleteDeviceGrantsOf = async (tx: Sql, userId: string, clientId: string): Promise<number> =>
  (await tx.query(deviceGrantsOfDelete, [userId, clientId])).length;

type DeviceGrantPoll = {
  readonly status: 'pending' | 'approved' | 'denied';
  readonly is_early: boolean;
  readonly is_expired: boolean;
};

export const pollDeviceGrant = async (
  sql: Sql,
  deviceCodeHash: Buffer,
  clientId: string,
): Promise<DeviceGrantPoll | undefined> =>
  (await sql.query<DeviceGrantPoll>(deviceGrantPoll, [deviceCodeHash, clientId]))[0];
