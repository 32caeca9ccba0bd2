import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AuthorizationDetails } from '../authorization-details.ts';

/** A family as introspection shows it. */
export type FamilyStatus = {
  readonly user_id: string;
  readonly client_id: string;
  readonly session_id: string | null;
  readonly scope: string;
  readonly audience: string;
  readonly authorization_details: AuthorizationDetails | null;
  readonly generation: number;
  /** Unix seconds. */
  readonly auth_time: number;
  readonly created_at: number;
  readonly expires_at: number;
  readonly is_live: boolean;
};

// Uses the primary keys of families and users, and the unique client id. Locks nothing.
const familyStatusRead = defineStatement(
  'familyStatusRead',
  `SELECT f.user_id, f.client_id, f.sid AS session_id, f.scope, f.audience, f.authorization_details, f.generation,
     extract(epoch FROM f.auth_time)::float8 AS auth_time, extract(epoch FROM f.created_at)::float8 AS created_at,
     extract(epoch FROM least(f.idle_expires_at, f.expires_at))::float8 AS expires_at,
     f.revoked_at IS NULL AND now() < least(f.idle_expires_at, f.expires_at)
       AND u."disabledAt" IS NULL AND u."tokenEpoch" <= f.user_epoch
       AND NOT coalesce(c.disabled, false) AND c."tokenEpoch" <= f.client_epoch AS is_live
   FROM refresh_families f JOIN users u ON u.id = f.user_id JOIN oauth_clients c ON c."clientId" = f.client_id
   WHERE f.id = $1::uuid AND f.nonce_hash = $2::bytea`,
);

export async function readFamilyStatus(sql: Sql, familyId: string, nonceHash: Buffer): Promise<FamilyStatus | null> {
  const [row] = await sql.query<FamilyStatus>(familyStatusRead, [familyId, nonceHash]);
  return row ?? null;
}

// Uses the primary key. A token two generations back is outside any grace, so a second party presents it.
const familySupersededRead = defineStatement(
  'familySupersededRead',
  `SELECT generation - $2::int > 1 OR coalesce(revoke_reason = 'refresh_token_reused', false) AS is_superseded
   FROM refresh_families WHERE id = $1::uuid`,
);

/** Whether a generation is older than the previous one, or a replay has ended the family. */
export async function isGenerationSuperseded(sql: Sql, familyId: string, generation: number): Promise<boolean> {
  const [row] = await sql.query<{ is_superseded: boolean }>(familySupersededRead, [familyId, generation]);
  return row?.is_superseded ?? false;
}

export type LiveFamilyRow = {
  readonly session_id: string;
  readonly family_id: string;
  readonly client_id: string;
  readonly scope: string;
  readonly device: Readonly<Record<string, unknown>>;
  readonly created_at: string;
  readonly refreshed_at: string;
  readonly expires_at: string;
};

// Uses refresh_families_one_live: a session has few families, and ended ones are not in the index.
const liveLoginsRead = defineStatement(
  'liveLoginsRead',
  `SELECT sid AS session_id, id AS family_id, client_id, scope, device, ${placeTime('created_at')} AS created_at,
     ${placeTime('rotated_at')} AS refreshed_at, ${placeTime('least(idle_expires_at, expires_at)')} AS expires_at
   FROM refresh_families WHERE sid = ANY ($1::text[]) AND revoked_at IS NULL AND now() < least(idle_expires_at, expires_at)
   ORDER BY sid, refresh_families.created_at, id LIMIT 1000`,
);
// Uses refresh_families_user_id.
const loginCountRead = defineStatement(
  'loginCountRead',
  `SELECT count(*)::int AS count FROM refresh_families
   WHERE user_id = $1 AND revoked_at IS NULL AND now() < least(idle_expires_at, expires_at)`,
);

export const readLiveFamilies = (sql: Sql, sessionIds: readonly string[]): Promise<LiveFamilyRow[]> =>
  sql.query<LiveFamilyRow>(liveLoginsRead, [sessionIds]);

export const readFamilyCount = async (sql: Sql, userId: string): Promise<number> =>
  (await sql.query<{ count: number }>(loginCountRead, [userId]))[0]?.count ?? 0;

/** What a live family belongs to. */
export type FamilyFilter = {
  readonly userId?: string | undefined;
  readonly clientId?: string | undefined;
  readonly sessionId?: string | undefined;
};
export type FamilyReach = {
  readonly logins: number;
  readonly sessions: number;
  readonly applications: number;
  readonly users: number;
};

// One of refresh_families_user_id, refresh_families_client_id and refresh_families_one_live. Stops at the limit: an exact
// count of a large client would read millions of rows.
const familyReachRead = defineStatement(
  'familyReachRead',
  `SELECT count(*)::int AS logins, count(DISTINCT sid)::int AS sessions, count(DISTINCT client_id)::int AS applications,
     count(DISTINCT user_id)::int AS users
   FROM (SELECT sid, client_id, user_id FROM refresh_families
     WHERE ($1::text IS NULL OR user_id = $1) AND ($2::text IS NULL OR client_id = $2) AND ($3::text IS NULL OR sid = $3)
       AND revoked_at IS NULL AND now() < least(idle_expires_at, expires_at)
     LIMIT $4) AS live`,
);

/** @param limit families that are counted at most */
export const readFamilyReach = async (
  sql: Sql,
  { userId, clientId, sessionId }: FamilyFilter,
  limit: number,
): Promise<FamilyReach> =>
  (await sql.query<FamilyReach>(familyReachRead, [userId ?? null, clientId ?? null, sessionId ?? null, limit]))[0]!;

/** What a sign-in at a client, that is still live, says about its user. */
type LiveSignIn = {
  readonly scope: string;
  readonly email: string;
  readonly is_email_verified: boolean;
  /** Unix seconds. */
  readonly auth_time: number;
  readonly amr: string;
  readonly acr: string;
};

/** At most one row, through refresh_families_one_live. Locks nothing: an end that commits later is an end afterwards. */
const liveFamilyRead = defineStatement('liveFamilyRead')`
  SELECT f.scope, u.email, u."emailVerified" IS NOT NULL AS is_email_verified,
    extract(epoch FROM f.auth_time)::int4 AS auth_time, f.amr, f.acr
  FROM refresh_families f JOIN users u ON u.id = f.user_id JOIN oauth_clients c ON c."clientId" = f.client_id
  WHERE f.sid = $1 AND f.client_id = $2 AND f.user_id = $3 AND f.revoked_at IS NULL
    AND now() < least(f.idle_expires_at, f.expires_at) AND u."disabledAt" IS NULL AND u."tokenEpoch" <= f.user_epoch
    AND NOT coalesce(c.disabled, false) AND c."tokenEpoch" <= f.client_epoch`;

/** The live family of a session at a client; undefined when it has ended, by whatever ends families. */
export const readLiveFamily = async (
  sql: Sql,
  { sessionId, clientId, userId }: { readonly sessionId: string; readonly clientId: string; readonly userId: string },
): Promise<LiveSignIn | undefined> => (await sql.query<LiveSignIn>(liveFamilyRead, [sessionId, clientId, userId]))[0];
