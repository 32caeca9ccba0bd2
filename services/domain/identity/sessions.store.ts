import { defineStatement } from '../../platform/define/statement.ts';
import { placeTime } from '../pages.ts';
import type { Sql } from '../ports.ts';

export type SessionRow = {
  readonly id: string;
  readonly userId: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
};

const COLUMNS = `id, "userId", ${placeTime('"createdAt"')} AS "createdAt", ${placeTime('"expiresAt"')} AS "expiresAt",
  "ipAddress", "userAgent"`;
const BEFORE = '("createdAt", id) < ($2::timestamptz, $3::text)';
const NEWEST = 'ORDER BY "createdAt" DESC, id DESC LIMIT $1';

/** Along sessions_created_at; a user's along sessions_user_id. Those that ran out have ended. */
const sessionsPage = defineStatement(
  'sessionsPage',
  `SELECT ${COLUMNS} FROM sessions WHERE "expiresAt" > now() AND ${BEFORE} ${NEWEST}`,
);
const sessionsPageOfUser = defineStatement(
  'sessionsPageOfUser',
  `SELECT ${COLUMNS} FROM sessions WHERE "userId" = $4 AND "expiresAt" > now() AND ${BEFORE} ${NEWEST}`,
);
const sessionFind = defineStatement('sessionFind', `SELECT ${COLUMNS} FROM sessions WHERE id = $1`);

export function readSessionsPage(
  sql: Sql,
  userId: string | undefined,
  [at = 'infinity', id = '']: readonly string[],
  limit: number,
): Promise<SessionRow[]> {
  const place = [limit, at, id];
  return userId === undefined
    ? sql.query<SessionRow>(sessionsPage, place)
    : sql.query<SessionRow>(sessionsPageOfUser, [...place, userId]);
}

export const findSessionRow = async (sql: Sql, sessionId: string): Promise<SessionRow | undefined> =>
  (await sql.query<SessionRow>(sessionFind, [sessionId]))[0];

/** By primary key, and no index on what it writes. */
const sessionUse = defineStatement(
  'sessionUse',
  `UPDATE sessions SET "updatedAt" = clock_timestamp()
   WHERE id = $1 AND "updatedAt" > clock_timestamp() - make_interval(secs => $2) RETURNING "updatedAt"`,
);

/** When it was used, which is now; null where it is gone or was not used for so long. */
export const useSession = async (sql: Sql, id: string, idleSeconds: number): Promise<Date | null> =>
  (await sql.query<{ updatedAt: Date }>(sessionUse, [id, idleSeconds]))[0]?.updatedAt ?? null;
