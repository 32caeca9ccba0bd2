import { createHash } from 'node:crypto';
import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Time between the two factors, for the user to find the phone. */
const CHALLENGE_SECONDS = 600;
const CHALLENGE_ATTEMPTS = 5;
/** Maximum of valid challenges of one user, which allow five times five attempts together. */
const CHALLENGES_AT_ONCE = 5;

export type LoginChallenge = {
  readonly user_id: string;
  readonly user_epoch: number;
  /** RFC 8176 methods verified so far, separated by spaces. */
  readonly amr: string;
  /** The session of an old provider that asked. */
  readonly legacy_session: Buffer | null;
};

const hashOf = (challenge: string): Buffer => createHash('sha256').update(challenge).digest();

/** Index: login_challenges_user_id. */
const challengeInsert = defineStatement('loginChallengeInsert')`
  WITH older AS (
    DELETE FROM login_challenges WHERE hash = ANY (ARRAY(
      SELECT hash FROM login_challenges WHERE user_id = $2 ORDER BY expires_at DESC, hash OFFSET ${CHALLENGES_AT_ONCE - 1}))
  )
  INSERT INTO login_challenges (hash, user_id, user_epoch, amr, expires_at, legacy_session)
  SELECT $1, id, "tokenEpoch", $3, now() + make_interval(secs => $4), $5 FROM users WHERE id = $2`;

/** Uses one attempt; concurrent requests each use one. Index: the primary key. */
const challengeAttempt = defineStatement('loginChallengeAttempt')`
  UPDATE login_challenges SET attempts = attempts + 1 WHERE hash = $1 AND expires_at > now() AND attempts < $2
  RETURNING user_id, user_epoch, amr, legacy_session`;

/** Uses no attempt. Index: the primary key. */
const challengeRead = defineStatement('loginChallengeRead')`
  SELECT user_id, user_epoch, amr FROM login_challenges
  WHERE hash = $1 AND expires_at > now() AND attempts < $2`;

/** Redeems the challenge. Returns no row if another request has redeemed it, or if the user has changed since. */
const challengeConsume = defineStatement('loginChallengeConsume')`
  DELETE FROM login_challenges c USING users u WHERE c.hash = $1 AND c.expires_at > now() AND u.id = c.user_id
  AND u."tokenEpoch" = c.user_epoch AND u."disabledAt" IS NULL RETURNING 1`;

/** Index: the primary key. */
const legacySessionContinued = defineStatement('legacySessionContinued')`
  SELECT session_id FROM legacy_sessions WHERE id = $1 AND user_id = $2 AND ended_at IS NULL`;

/** Waits for a concurrent end; an ended session of the old provider is continued by none. Index: the primary key. */
const legacySessionContinue = defineStatement('legacySessionContinue')`
  INSERT INTO legacy_sessions (id, user_id, session_id) VALUES ($1, $2, $3)
  ON CONFLICT (id) DO UPDATE SET session_id = excluded.session_id, touched_at = clock_timestamp()
  WHERE legacy_sessions.ended_at IS NULL AND legacy_sessions.user_id = excluded.user_id RETURNING 1`;

/** Expired challenges. Index: login_challenges_expires_at. */
export const loginChallengePurge = definePurge({
  table: 'login_challenges',
  id: 'hash',
  ends: 'expires_at',
  stays: `interval '1 hour'`,
});

/** Adds a challenge, replacing the oldest if there are five. The caller has locked the user. */
export const insertLoginChallenge = (
  sql: Sql,
  challenge: string,
  { user_id: userId, amr, legacy_session: legacySession }: Pick<LoginChallenge, 'user_id' | 'amr' | 'legacy_session'>,
): Promise<unknown> => sql.query(challengeInsert, [hashOf(challenge), userId, amr, CHALLENGE_SECONDS, legacySession]);

/**
 * Uses one attempt of the challenge and returns its data; undefined if it is unknown, expired, used or out of attempts.
 */
export async function useChallengeAttempt(sql: Sql, challenge: string): Promise<LoginChallenge | undefined> {
  const [row] = await sql.query<LoginChallenge>(challengeAttempt, [hashOf(challenge), CHALLENGE_ATTEMPTS]);
  return row;
}

/** The same without using an attempt. */
export async function readLoginChallenge(sql: Sql, challenge: string): Promise<LoginChallenge | undefined> {
  const [row] = await sql.query<LoginChallenge>(challengeRead, [hashOf(challenge), CHALLENGE_ATTEMPTS]);
  return row;
}

export async function consumeLoginChallenge(sql: Sql, challenge: string): Promise<boolean> {
  return (await sql.query(challengeConsume, [hashOf(challenge)])).length === 1;
}

/** The session here that the session of the old provider became before; null: none. */
export async function readContinued(
  sql: Sql,
  { legacy_session: legacySession, user_id: userId }: Pick<LoginChallenge, 'legacy_session' | 'user_id'>,
): Promise<string | null> {
  if (legacySession === null) return null;
  const rows = await sql.query<{ session_id: string | null }>(legacySessionContinued, [legacySession, userId]);
  return rows[0]?.session_id ?? null;
}

/** False if the session of the old provider has ended meanwhile. */
export const continueLegacySession = async (
  tx: Sql,
  { legacy_session: legacySession, user_id: userId }: Pick<LoginChallenge, 'legacy_session' | 'user_id'>,
  sessionId: string,
): Promise<boolean> =>
  legacySession === null || (await tx.query(legacySessionContinue, [legacySession, userId, sessionId])).length === 1;
