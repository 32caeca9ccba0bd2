import { defineStatement } from '#services/platform/define/statement.ts';

/**
 * Inserts one family for each given session, with the current epochs of its user and client, and the audit row of each.
 * Skips sessions that have ended and disabled users. Locks nothing: the caller has just created the sessions. Uses the
 * primary keys of sessions and users and the unique client id.
 *
 * $1 id uuid[] · $2 nonce_hash bytea[] · $3 sid text[] · $4 client id · $5 kv · $6 audience · $7 idle seconds · $8 life
 * seconds · $9 and $10 kind and id of the actor
 */
export const familySeedInsert = defineStatement(
  'familySeedInsert',
  `WITH born AS MATERIALIZED (
    SELECT n.id, n.nonce_hash, s.id AS sid, u.id AS user_id, u."tokenEpoch" AS user_epoch, c."clientId" AS client_id,
      c."tokenEpoch" AS client_epoch, array_to_string(c.scopes, ' ') AS scope, array_to_string(s.amr, ' ') AS amr, s.acr,
      coalesce(s."authenticatedAt", s."createdAt") AS auth_time, least(s."expiresAt", now() + make_interval(secs => $8::float8)) AS expires_at
    FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS n (id, nonce_hash, sid)
    JOIN sessions s ON s.id = n.sid JOIN users u ON u.id = s."userId"
    JOIN oauth_clients c ON c."clientId" = $4
    WHERE s."expiresAt" > now() AND u."disabledAt" IS NULL AND NOT coalesce(c.disabled, false)
  ), inserted AS (
    INSERT INTO refresh_families (id, idle_expires_at, expires_at, nonce_hash, kv, prev_kv, client_id, client_bound, sid, user_id,
      user_epoch, client_epoch, scope, audience, auth_time, amr, acr)
    SELECT id, least(expires_at, now() + make_interval(secs => $7::float8)), expires_at, nonce_hash, $5::int2, $5::int2, client_id,
      false, sid, user_id, user_epoch, client_epoch, scope, $6, auth_time, amr, acr
    FROM born
  ), logged AS (
    INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, detail)
    SELECT 'token.family_created', 'ok', $9, $10, 'family', id::text, client_id,
      jsonb_build_object('user_id', user_id, 'session_id', sid, 'reason', 'seed')
    FROM born
  )
  SELECT b.id, (SELECT incarnation FROM feed_state f WHERE f.id) AS incarnation FROM born b`,
);
