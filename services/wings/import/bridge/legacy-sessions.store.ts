import type { Sql, Tx } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** The provider named by the setting; without one, that of all imported users; null if they came from several. */
const PROVIDER = `(SELECT coalesce($2::text, CASE WHEN min(provider) IS NULL THEN 'legacy'
  WHEN min(provider) = max(provider) THEN min(provider) END) FROM legacy_users)`;

/** Index: legacy_users_legacy_id, also for the first and the last provider. */
const legacyUserFind = defineStatement('legacyUserFind')`
  SELECT l.user_id, e.ended_at FROM legacy_users l LEFT JOIN legacy_user_ends e USING (user_id)
  WHERE l.legacy_id = $1 AND l.provider = ${PROVIDER}`;
/** A user who has another id at that provider is not linked. */
const legacyUserLink = defineStatement('legacyUserLink')`
  INSERT INTO legacy_users (provider, legacy_id, user_id)
  SELECT provider, $1, $3 FROM (SELECT ${PROVIDER} AS provider) named WHERE provider IS NOT NULL
  ON CONFLICT DO NOTHING RETURNING user_id`;
/** A person may have several ids there, one for each way in; few have more than two. Index: legacy_users_of_user. */
const lazyUserFind = defineStatement('lazyUserFind')`
  SELECT legacy_id FROM legacy_users WHERE user_id = $1 AND lazy ORDER BY joined, legacy_id LIMIT 4`;
const lazyUserTaken = defineStatement('lazyUserTaken')`
  UPDATE legacy_users SET lazy = false WHERE user_id = $1 AND lazy`;
/** Index: the primary key. */
const legacySessionRead = defineStatement('legacySessionRead')`
  SELECT user_id, session_id, ended_at IS NOT NULL AS is_ended FROM legacy_sessions WHERE id = $1`;
/** Waits for a concurrent end; nothing is written to an ended session. */
const legacySessionKeep = defineStatement('legacySessionKeep')`
  INSERT INTO legacy_sessions (id, user_id, session_id) VALUES ($1, $2, $3)
  ON CONFLICT (id) DO UPDATE SET session_id = excluded.session_id, touched_at = clock_timestamp()
  WHERE legacy_sessions.ended_at IS NULL AND legacy_sessions.user_id = excluded.user_id RETURNING id`;

/**
 * An ended session is remembered for longer than a session of a provider usually lives. Index:
 * legacy_sessions_touched_at.
 */
export const legacySessionPurge = definePurge({
  table: 'legacy_sessions',
  ends: 'touched_at',
  stays: `interval '400 days'`,
});

/** `userId` is null if the user was deleted here. */
type LegacyUserRow = { readonly user_id: string | null; readonly ended_at: Date | null };
export const findLegacyUser = async (
  sql: Sql,
  legacyId: string,
  provider: string | null,
): Promise<LegacyUserRow | undefined> => (await sql.query<LegacyUserRow>(legacyUserFind, [legacyId, provider]))[0];

/** False if the id or the user is already linked, or users came from several providers and the setting names none. */
export const linkLegacyUser = async (
  tx: Tx,
  legacyId: string,
  provider: string | null,
  userId: string,
): Promise<boolean> => (await tx.query(legacyUserLink, [legacyId, provider, userId])).length > 0;

type LegacySessionRow = {
  readonly user_id: string | null;
  readonly session_id: string | null;
  readonly is_ended: boolean;
};
export const readLegacySession = async (sql: Sql, id: Buffer): Promise<LegacySessionRow | undefined> =>
  (await sql.query<LegacySessionRow>(legacySessionRead, [id]))[0];

/** False if it has ended, or is another user's. */
export const keepLegacySession = async (tx: Tx, id: Buffer, userId: string, sessionId: string): Promise<boolean> =>
  (await tx.query(legacySessionKeep, [id, userId, sessionId])).length > 0;

/** The ids at the old provider of a user whose password is still there. */
export const findLazyUser = async (sql: Sql, userId: string): Promise<string[]> =>
  (await sql.query<{ legacy_id: string }>(lazyUserFind, [userId])).map((row) => row.legacy_id);
export const markTaken = (tx: Tx, userId: string): Promise<unknown> => tx.query(lazyUserTaken, [userId]);
