import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AuthSession } from './live-session.ts';

export type SessionRow = {
  readonly id: string;
  readonly userId: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly updatedAt: string;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
};

const COLUMNS = `id, "userId", ${placeTime('"createdAt"')} AS "createdAt", ${placeTime('"expiresAt"')} AS "expiresAt",
  ${placeTime('"updatedAt"')} AS "updatedAt", "ipAddress", "userAgent"`;
const BEFORE = '(sessions."createdAt", id) < ($2::timestamptz, $3::text)';
const NEWEST = 'ORDER BY sessions."createdAt" DESC, id DESC LIMIT $1';

/**
 * Whether a session was used within the idle limit, by its cookie or by one of its token families that is not idle.
 * `idle` names a parameter in seconds. Index: refresh_families_one_live.
 */
const isInUse = (session: string, idle: string): string =>
  `(${session}.acr <> 'aal2' OR ${idle}::float8 = 0 OR ${session}."updatedAt" > now() - make_interval(secs => ${idle}::float8)
   OR EXISTS (SELECT FROM refresh_families f WHERE f.sid = ${session}.id AND f.revoked_at IS NULL AND f.idle_expires_at > now()))`;
const LIVE = `"expiresAt" > now() AND ${isInUse('sessions', '$4')}`;

/** Filters by client: the session has a live token family of it. Index: refresh_families_one_live. */
const atClient = (client: string): string =>
  `(${client}::text IS NULL OR EXISTS (SELECT FROM refresh_families f WHERE f.sid = sessions.id AND f.client_id = ${client} AND f.revoked_at IS NULL))`;

/** Index: sessions_created_at; for one user sessions_user_id. Expired and idle sessions have ended. */
const sessionsPage = defineStatement('sessionsPage')`
  SELECT ${COLUMNS} FROM sessions WHERE ${LIVE} AND ${atClient('$5')} AND ${BEFORE} ${NEWEST}`;
const sessionsPageOfUser = defineStatement('sessionsPageOfUser')`
  SELECT ${COLUMNS} FROM sessions WHERE "userId" = $6 AND ${LIVE} AND ${atClient('$5')} AND ${BEFORE} ${NEWEST}`;
/** Up to a limit: a client with few families has few sessions. Index: refresh_families_client_id. */
const clientFamiliesFew = defineStatement('clientFamiliesFew')`
  SELECT count(*)::int AS families FROM (SELECT FROM refresh_families WHERE client_id = $1 LIMIT $2) few`;
/** Begins with the families: reading all sessions for those of a rare client would have no end. Index: refresh_families_client_id. */
const sessionsPageOfFewFamilies = defineStatement('sessionsPageOfFewFamilies')`
  SELECT ${COLUMNS} FROM sessions
  WHERE id IN (SELECT f.sid FROM refresh_families f WHERE f.client_id = $5 AND f.revoked_at IS NULL AND f.sid IS NOT NULL OFFSET 0)
    AND ${LIVE} AND ${BEFORE} ${NEWEST}`;
const sessionFind = defineStatement('sessionFind', `SELECT ${COLUMNS} FROM sessions WHERE id = $1`);

const FEW_FAMILIES = 10_000;

async function hasFewFamilies(sql: Sql, clientId: string): Promise<boolean> {
  const [row] = await sql.query<{ families: number }>(clientFamiliesFew, [clientId, FEW_FAMILIES]);
  return (row?.families ?? 0) < FEW_FAMILIES;
}

export async function readSessionsPage(
  sql: Sql,
  { userId, clientId }: { readonly userId?: string | undefined; readonly clientId?: string | undefined },
  [at = 'infinity', id = '']: readonly string[],
  limit: number,
  idleSeconds: number,
): Promise<SessionRow[]> {
  const place = [limit, at, id, idleSeconds, clientId ?? null];
  if (userId !== undefined) return sql.query<SessionRow>(sessionsPageOfUser, [...place, userId]);
  const isRare = clientId !== undefined && (await hasFewFamilies(sql, clientId));
  return sql.query<SessionRow>(isRare ? sessionsPageOfFewFamilies : sessionsPage, place);
}

export const findSessionRow = async (sql: Sql, sessionId: string): Promise<SessionRow | undefined> =>
  (await sql.query<SessionRow>(sessionFind, [sessionId]))[0];

const USED_RECENTLY = `id = $1 AND "updatedAt" > clock_timestamp() - make_interval(secs => $2)`;
/** Index: the primary key; no index contains the updated column. */
const sessionUse = defineStatement('sessionUse')`
  UPDATE sessions SET "updatedAt" = clock_timestamp() WHERE ${USED_RECENTLY} RETURNING "updatedAt"`;
const sessionUseRead = defineStatement('sessionUseRead', `SELECT "updatedAt" FROM sessions WHERE ${USED_RECENTLY}`);

/** Records a use and returns its time; null if the session has ended or exceeded the idle limit. */
export const useSession = async (sql: Sql, id: string, idleSeconds: number): Promise<Date | null> =>
  (await sql.query<{ updatedAt: Date }>(sessionUse, [id, idleSeconds]))[0]?.updatedAt ?? null;

/** Returns the last use without recording one; null if the session has ended or exceeded the idle limit. */
export const readSessionUse = async (sql: Sql, id: string, idleSeconds: number): Promise<Date | null> =>
  (await sql.query<{ updatedAt: Date }>(sessionUseRead, [id, idleSeconds]))[0]?.updatedAt ?? null;

/**
 * Reads the live sessions of a user except the most recently used ones; using the cookie or a token family of a session
 * counts as a use. Index: sessions_user_id, for families refresh_families_one_live. For an account with few sessions,
 * only the count is executed.
 */
const sessionsOldestUsed = defineStatement('sessionsOldestUsed')`
  SELECT id FROM sessions s
  WHERE "userId" = $1 AND id <> ALL ($2::text[]) AND "expiresAt" > now()
    AND (SELECT count(*) FROM sessions WHERE "userId" = $1) > $3::int
  ORDER BY greatest(s."updatedAt",
    (SELECT max(rotated_at) FROM refresh_families f WHERE f.sid = s.id AND f.revoked_at IS NULL)) DESC, id DESC
  OFFSET $3 LIMIT $4`;

/** Locks sessions in id order; their token families follow in id order. Every writer of several sessions locks so. */
const sessionsLock = defineStatement('sessionsLock', 'SELECT FROM sessions WHERE id = ANY ($1) ORDER BY id FOR UPDATE');
const sessionFamiliesLock = defineStatement('sessionFamiliesLock')`
  SELECT FROM refresh_families WHERE sid = ANY ($1) AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE`;
/** The row triggers end the token families and write the revocations and the audit rows. */
const sessionsDelete = defineStatement('sessionsDelete', 'DELETE FROM sessions WHERE id = ANY ($1) RETURNING token');

export async function readOldestUsed(
  tx: Sql,
  userId: string,
  { except, kept, atOnce }: { readonly except: readonly string[]; readonly kept: number; readonly atOnce: number },
): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(sessionsOldestUsed, [userId, except, kept, atOnce]);
  return rows.map(({ id }) => id);
}

export async function lockSessions(tx: Sql, ids: readonly string[]): Promise<void> {
  await tx.query(sessionsLock, [ids]);
  await tx.query(sessionFamiliesLock, [ids]);
}

/** Ends sessions, and returns the tokens of those that had not ended before. */
export const deleteSessions = async (tx: Sql, ids: readonly string[]): Promise<string[]> =>
  (await tx.query<{ token: string }>(sessionsDelete, [ids])).map(({ token }) => token);

const sessionRead = defineStatement('sessionRead')`
  SELECT s.id, s."userId", s.token, s."expiresAt", s."createdAt", s."updatedAt", s."ipAddress", s."userAgent", s.amr, s.acr,
    u."disabledAt" IS NOT NULL AS "isDisabled", NOT ${isInUse('s', '$2')} AS "isIdle"
  FROM sessions s JOIN users u ON u.id = s."userId" WHERE s.id = $1`;

/** Index: the primary key of sessions. */
const ownSessionRead = defineStatement('ownSessionRead')`
  SELECT s.amr, s.acr, s."expiresAt", u.email, u.roles, u."tokenEpoch" FROM sessions s JOIN users u ON u.id = s."userId"
  WHERE s.id = $1 AND s."userId" = $2 AND s."expiresAt" > now() AND u."disabledAt" IS NULL`;

const loginsEnd = defineStatement('loginsEnd', `SELECT user_every_login_end($1)`);

export type OwnSession = {
  readonly amr: readonly string[];
  readonly acr: 'aal1' | 'aal2';
  readonly expiresAt: Date;
  /** This and the following fields are of the user. */
  readonly email: string;
  readonly roles: readonly string[];
  readonly tokenEpoch: number;
};

export const readSessionRow = async (
  sql: Sql,
  sessionId: string,
  idleSeconds: number,
): Promise<(AuthSession & { readonly isDisabled: boolean; readonly isIdle: boolean }) | undefined> =>
  (
    await sql.query<AuthSession & { readonly isDisabled: boolean; readonly isIdle: boolean }>(sessionRead, [
      sessionId,
      idleSeconds,
    ])
  )[0];

/** Returns undefined if the session has ended or belongs to another user. */
export async function readOwnSession(sql: Sql, sessionId: string, userId: string): Promise<OwnSession | undefined> {
  const [row] = await sql.query<OwnSession>(ownSessionRead, [sessionId, userId]);
  return row;
}

/** Increments the user's epoch and ends every session, family and access token. */
export const endEverySession = (tx: Sql, userId: string): Promise<unknown> => tx.query(loginsEnd, [userId]);

/** The row triggers end the token families and write the revocation and the audit row in the same transaction. */
const sessionDeleteById = defineStatement('sessionDeleteById', `DELETE FROM sessions WHERE id = $1 RETURNING token`);

/**
 * Sessions that expired so long ago that none of their tokens can be live, so their row triggers write nothing. Index:
 * sessions_expires_at.
 */
export const sessionPurge = definePurge({
  table: 'sessions',
  ends: '"expiresAt"',
  stays: `SELECT interval '1 day' + make_interval(secs => revocation_keep_seconds) FROM token_lifetimes`,
});

/** Ends a session and returns its token; undefined if it had already ended. */
export async function deleteSessionRow(tx: Sql, sessionId: string): Promise<string | undefined> {
  const [row] = await tx.query<{ token: string }>(sessionDeleteById, [sessionId]);
  return row?.token;
}

/** Another recent session of the same user. */
export type Elsewhere = { readonly sessionId: string; readonly ip: string | null; readonly agent: string | null };

/**
 * Index: sessions_user_id. A session keeps the IP address and time of its last sign-in, so only recent sign-ins are
 * compared: a phone that signed in on the road last week and is at home now is not in another place.
 */
const elsewhereRead = defineStatement('loginElsewhereRead')`
  SELECT s.id AS "sessionId", s."ipAddress" AS ip, s."userAgent" AS agent
  FROM sessions s
  WHERE s."userId" = $1 AND s.id <> $2 AND coalesce(s."authenticatedAt", s."createdAt") > clock_timestamp() - make_interval(secs => $3)
  ORDER BY s.id LIMIT 20`;

/** Reads at most twenty sessions that began within this many seconds. */
export const readElsewhere = (
  sql: Sql,
  { userId, id }: { readonly userId: string; readonly id: string },
  withinSeconds: number,
): Promise<Elsewhere[]> => sql.query(elsewhereRead, [userId, id, withinSeconds]);
