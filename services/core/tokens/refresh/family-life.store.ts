import { defineStatement } from '#services/platform/define/statement.ts';
import type { FamilyFacts, RightsLimit } from './family-token.ts';

/** What signing needs from the user and client of a new family. */
export type NewFamilyRow = {
  readonly email: string;
  readonly is_email_verified: boolean;
  readonly roles: readonly string[];
  readonly user_epoch: number;
  readonly client_epoch: number;
  /** RFC 8176 methods, space separated, and assurance level of its session; '' and null without a session. */
  readonly amr: string;
  readonly acr: string | null;
  /** Null when the user signed in. */
  readonly rights_limit: RightsLimit | null;
  /** Version of roles and clients at the time of the epochs. Roles in memory must not be older. */
  readonly access_version: number;
};

/** Locks the session, so that it cannot end and no second family of the same client starts. Uses the primary key. */
export const sessionLock = defineStatement(
  'familySessionLock',
  `SELECT floor(extract(epoch FROM "expiresAt" - now()))::int4 AS seconds_left, acr FROM sessions WHERE id = $1 AND "userId" = $2 AND "expiresAt" > now() FOR NO KEY UPDATE`,
);

/** Returns at most one row, through refresh_families_one_live. The caller has locked the session. */
export const familyEndPrevious = defineStatement(
  'familyEndPrevious',
  `UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = 'superseded'
   WHERE sid = $1 AND client_id = $2 AND revoked_at IS NULL RETURNING id`,
);

/**
 * Inserts the family with the current epochs of its user and client; no row when either is deleted or disabled. If an
 * epoch rises before this commits, the first refresh finds it, because it compares again. A family without a session and
 * without a sign-in ($14 is 0) gets the current permissions of its user as its limit. Uses the primary key of
 * role_permissions.
 */
export const familyInsert = defineStatement(
  'familyInsert',
  `WITH born AS (
    SELECT u.email, u."emailVerified" IS NOT NULL AS is_email_verified, u.roles, u."tokenEpoch" AS user_epoch, c."tokenEpoch" AS client_epoch,
      coalesce(array_to_string(s.amr, ' '), $17, '') AS amr, coalesce(s.acr, $18) AS acr,
      CASE WHEN $10::text IS NULL AND $14::float8 = 0 THEN jsonb_build_object('roles', u.roles, 'permissions',
        ARRAY(SELECT DISTINCT p.permission FROM role_permissions p WHERE p.role = ANY (u.roles))) END AS rights_limit
    FROM users u CROSS JOIN oauth_clients c LEFT JOIN sessions s ON s.id = $10
    WHERE u.id = $11 AND u."disabledAt" IS NULL AND c."clientId" = $6 AND NOT coalesce(c.disabled, false)
  ), inserted AS (
    INSERT INTO refresh_families (id, idle_expires_at, expires_at, nonce_hash, kv, prev_kv, client_id, client_bound, jkt, x5t,
      sid, user_id, user_epoch, client_epoch, scope, audience, auth_time, device, code_id, amr, acr, rights_limit, authorization_details)
    SELECT $1::uuid, now() + make_interval(secs => $2::float8), now() + make_interval(secs => $3::float8), $4::bytea, $5::int2,
      $5::int2, $6, $7::bool, $8, $9, $10, $11, user_epoch, client_epoch, $12, $13, to_timestamp($14::float8), $15::jsonb, $16::bytea,
      amr, acr, rights_limit, $19
    FROM born RETURNING 1
  )
  SELECT email, is_email_verified, roles, user_epoch, client_epoch, amr, acr,
    rights_limit, (SELECT access_version FROM feed_state WHERE id) AS access_version FROM born, inserted`,
);

/** Waits for a rotation in flight. Uses the primary key. Returns no row for an unknown family. */
export const familyLock = defineStatement(
  'familyLock',
  `SELECT user_id, client_id, sid AS session_id FROM refresh_families WHERE id = $1::uuid
   FOR NO KEY UPDATE`,
);

/**
 * Ends the locked family and, by a revocation, its access tokens. A family that had ended keeps its reason. It is a
 * separate statement, because the snapshot of the statement that waited for the lock does not show the writes of a replay.
 */
export const familyEnd = defineStatement(
  'familyEnd',
  `WITH ended AS (
    UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = $2 WHERE id = $1::uuid AND revoked_at IS NULL
  )
  INSERT INTO revocations (kind, value, reason, user_id, client_id, expires_at)
  SELECT 'family', id::text, $2, user_id, client_id, revocation_keep_until() FROM refresh_families
  WHERE id = $1::uuid AND NOT EXISTS (SELECT FROM revocations WHERE kind = 'family' AND value = $1::text)`,
);

/** The function locks in id order, by refresh_families_one_live. The identity module ends the session row. */
export const familiesEndBySession = defineStatement(
  'familiesEndBySession',
  `WITH ended AS MATERIALIZED (SELECT families_end_by_session($1, $2) AS count), revoked AS (
    INSERT INTO revocations (kind, value, reason, user_id, expires_at) VALUES ('sid', $1, $2, $3, revocation_keep_until())
  )
  SELECT count FROM ended`,
);

/**
 * The live families of a user at a client, and replaced ones whose access tokens may still be valid. Waits for rotations
 * in flight, in id order, by refresh_families_user_id.
 */
export const familiesAtClientLock = defineStatement(
  'familiesAtClientLock',
  `SELECT id FROM refresh_families WHERE user_id = $1 AND client_id = $2
     AND (revoked_at IS NULL OR revoked_at + (revocation_keep_until() - clock_timestamp()) > clock_timestamp())
   ORDER BY id FOR NO KEY UPDATE`,
);

/** Ends the locked families and, by revocations, their access tokens. Ended families keep their reason. Uses the primary key. */
export const familiesEnd = defineStatement(
  'familiesEnd',
  `WITH ended AS (
    UPDATE refresh_families SET revoked_at = clock_timestamp(), revoke_reason = $2
    WHERE id = ANY ($1::uuid[]) AND revoked_at IS NULL RETURNING 1
  ), revoked AS (
    INSERT INTO revocations (kind, value, reason, user_id, client_id, expires_at)
    SELECT 'family', id::text, $2, user_id, client_id, revocation_keep_until() FROM refresh_families f
    WHERE id = ANY ($1::uuid[]) AND NOT EXISTS (SELECT FROM revocations WHERE kind = 'family' AND value = f.id::text)
  )
  SELECT count(*)::int AS count FROM ended`,
);

/** The trigger ends the families in id order, and writes the revocation and the audit row. */
export const userEpochRaise = defineStatement(
  'userEpochRaise',
  `UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1 RETURNING "tokenEpoch" AS epoch`,
);

/** The same for clients. */
export const clientEpochRaise = defineStatement(
  'clientEpochRaise',
  `UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" = $1 RETURNING "tokenEpoch" AS epoch`,
);

/** The current facts of a family, for a new access token. */
export type FamilyFactsRow = FamilyFacts & {
  readonly is_live: boolean;
  /** Whether a stored revocation names the id of the token that the new one replaces. */
  readonly is_token_revoked: boolean;
  readonly access_version: number;
};

/** Uses the primary keys of families and users, the unique client id and revocations_kind_value. Locks nothing. */
export const familyFactsRead = defineStatement(
  'familyFactsRead',
  `SELECT f.id AS family_id, f.user_id, f.sid AS session_id, f.client_id, f.scope, f.audience,
     u.email, u."emailVerified" IS NOT NULL AS is_email_verified, u.roles, extract(epoch FROM f.auth_time)::int8 AS auth_time,
     f.amr, f.acr, f.rights_limit, f.user_epoch, f.client_epoch, f.jkt, f.x5t,
     f.revoked_at IS NULL AND now() < least(f.idle_expires_at, f.expires_at)
       AND u."disabledAt" IS NULL AND u."tokenEpoch" <= f.user_epoch
       AND NOT coalesce(c.disabled, false) AND c."tokenEpoch" <= f.client_epoch AS is_live,
     EXISTS (SELECT FROM revocations WHERE kind = 'jti' AND value = $2) AS is_token_revoked,
     (SELECT access_version FROM feed_state WHERE id) AS access_version
   FROM refresh_families f JOIN users u ON u.id = f.user_id JOIN oauth_clients c ON c."clientId" = f.client_id
   WHERE f.id = $1::uuid`,
);

/** Reads the granted scope, audience and details, which never change. Uses the primary key. */
export const familyGrantRead = defineStatement(
  'familyGrantRead',
  `SELECT scope, audience, authorization_details FROM refresh_families WHERE id = $1::uuid AND nonce_hash = $2::bytea`,
);
