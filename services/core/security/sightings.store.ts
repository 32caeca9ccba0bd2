import { defineQuestion, type Question } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { NEWEST_SEQ } from '../audit/read/list-events.ts';
import type { Sql } from '../ports.ts';

/** One reader at a time: the effects of events commit together with the log position. */
const detectionProgressLock = defineStatement('detectionProgressLock', `SELECT FROM detection_progress FOR UPDATE`);

/** Locks the same row: a second worker finds the position already advanced and gets no row. */
const detectionProgressAdvance = defineStatement('detectionProgressAdvance')`
  UPDATE detection_progress SET seq = $1 WHERE seq < $1 RETURNING 1`;

const detectionProgressRead = defineStatement('detectionProgressRead', `SELECT seq FROM detection_progress`);

const STUFFING = `last_failed_at > clock_timestamp() - make_interval(secs => $2) AND key LIKE 'network:%'
  AND window_began_at > clock_timestamp() - make_interval(secs => $2) AND cardinality(tried) >= $1
  AND successes * 4 < recent AND coalesce(locked_until, '-infinity') <= clock_timestamp()`;

/** Networks above the limit that are not locked, or only the one named by key; uses login_failures_networks or the primary key. */
const stuffingNetworksRead = defineStatement('stuffingNetworksRead')`
  SELECT key, recent AS failures, successes, cardinality(tried) AS names FROM login_failures
  WHERE ${STUFFING} AND ($3::text IS NULL OR key = $3)
  ORDER BY key COLLATE "C"`;

/** Indexes: the primary key of the log, unjudged_events_next_try_at, login_failures_networks. */
export const detectionIsDue = ({
  names,
  windowSeconds,
}: {
  readonly names: number;
  readonly windowSeconds: number;
}): Question =>
  defineQuestion(
    `${NEWEST_SEQ} > coalesce((SELECT seq FROM detection_progress), -1)
     OR EXISTS (SELECT FROM unjudged_events WHERE next_try_at <= clock_timestamp())
     OR EXISTS (SELECT FROM login_failures WHERE ${STUFFING})`,
    names,
    windowSeconds,
  );

/** Scans audit_events_type backwards. */
const loginRatioRead = defineStatement('loginRatioRead')`
  SELECT count(*)::int AS logins, count(*) FILTER (WHERE outcome <> 'ok')::int AS refused FROM (
    SELECT outcome, occurred_at FROM audit_events WHERE type = 'user.login' ORDER BY seq DESC LIMIT $1) latest
  WHERE occurred_at > clock_timestamp() - interval '10 minutes'`;

const incidentIsFresh = defineStatement('incidentIsFresh')`
  SELECT 1 FROM incidents WHERE detection = $1 AND state <> 'closed' AND last_seen_at > clock_timestamp() - interval '5 minutes'`;

const networkBlock = defineStatement('networkBlock')`
  UPDATE login_failures SET locked_until = greatest(coalesce(locked_until, '-infinity'), clock_timestamp() + make_interval(secs => $2)),
    locks = locks + 1, recent = 0
  WHERE key = $1`;

/** Row triggers end its families and write the revocation and audit rows. */
const sessionEnd = defineStatement('securitySessionEnd', `DELETE FROM sessions WHERE id = $1 RETURNING 1`);

/**
 * Whether the user got another session, a family without a session (a signed-in device) or an approved device grant after
 * the suspicious sign-in. All times are from the database's clock, as that of the sign-in is: the clocks of copies differ.
 * Uses sessions_user_id, refresh_families_user_id and oauth_device_grants_user_id.
 */
const openedSinceRead = defineStatement('securityOpenedSinceRead')`
  SELECT 1 WHERE EXISTS (SELECT FROM sessions WHERE "userId" = $1 AND "writtenAt" >= $2::timestamptz)
    OR EXISTS (SELECT FROM refresh_families WHERE user_id = $1 AND sid IS NULL AND revoked_at IS NULL
      AND created_at >= $2::timestamptz)
    OR EXISTS (SELECT FROM oauth_device_grants WHERE user_id = $1 AND status = 'approved'
      AND decided_at >= $2::timestamptz)`;

const userLock = defineStatement('securityUserLock')`
  SELECT user_sessions_lock(id) FROM (SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE) u`;
/** Runs after the sessions are locked. In id order, like a refresh batch; uses refresh_families_user_id. */
const familiesLock = defineStatement('securityFamiliesLock')`
  SELECT 1 FROM refresh_families WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE`;
/** Every writer locks user, sessions, families in this order. A higher epoch refuses every token issued before. */
const userEpochRaise = defineStatement('securityUserEpochRaise')`
  UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1`;
const userSessionsEnd = defineStatement('securityUserSessionsEnd', `DELETE FROM sessions WHERE "userId" = $1`);

const userAccountRead = defineStatement('securityUserAccountRead', `SELECT email, roles FROM users WHERE id = $1`);

export const lockProgress = (tx: Sql): Promise<unknown> => tx.query(detectionProgressLock);

export async function readProgress(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ seq: number }>(detectionProgressRead);
  return row?.seq ?? -1;
}

/** False if the position is already there or further. */
export const advanceProgress = async (sql: Sql, seq: number): Promise<boolean> =>
  (await sql.query(detectionProgressAdvance, [seq])).length > 0;

type StuffingNetwork = {
  readonly key: string;
  readonly failures: number;
  readonly successes: number;
  readonly names: number;
};

export const readStuffingNetworks = (
  sql: Sql,
  {
    names,
    windowSeconds,
    key = null,
  }: { readonly names: number; readonly windowSeconds: number; readonly key?: string | null },
): Promise<StuffingNetwork[]> => sql.query(stuffingNetworksRead, [names, windowSeconds, key]);

export async function readLoginRatio(
  sql: Sql,
  latest: number,
): Promise<{ readonly logins: number; readonly refused: number }> {
  const [row] = await sql.query<{ logins: number; refused: number }>(loginRatioRead, [latest]);
  return row ?? { logins: 0, refused: 0 };
}

export const isFresh = async (sql: Sql, detection: string): Promise<boolean> =>
  (await sql.query(incidentIsFresh, [detection])).length > 0;

export async function blockNetworkRow(tx: Sql, key: string, seconds: number): Promise<void> {
  await tx.query(networkBlock, [key, seconds]);
}

/** False if the session is already gone. */
export const endSessionRow = async (tx: Sql, sessionId: string): Promise<boolean> =>
  (await tx.query(sessionEnd, [sessionId])).length > 0;

/** Whether the user got more since the suspicious sign-in, whose own session has already ended. */
export const isMoreOpen = async (tx: Sql, userId: string, since: string): Promise<boolean> =>
  (await tx.query(openedSinceRead, [userId, since])).length > 0;

/** Locks the user, all sessions and all families in the usual order, so that ending any of them later cannot deadlock. */
export async function lockSessionsAndFamilies(tx: Sql, userId: string): Promise<void> {
  await tx.query(userLock, [userId]);
  await tx.query(familiesLock, [userId]);
}

export async function endEverythingOf(tx: Sql, userId: string): Promise<void> {
  await tx.query(userLock, [userId]);
  await tx.query(userEpochRaise, [userId]);
  await tx.query(userSessionsEnd, [userId]);
}

export async function readAccount(
  sql: Sql,
  userId: string,
): Promise<{ readonly email: string; readonly roles: readonly string[] } | undefined> {
  return (await sql.query<{ email: string; roles: readonly string[] }>(userAccountRead, [userId]))[0];
}
