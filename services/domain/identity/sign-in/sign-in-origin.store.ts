import type { Sql } from '#services/domain/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Another login of the same user that began lately. */
export type Elsewhere = { readonly sessionId: string; readonly ip: string | null; readonly agent: string | null };

/**
 * By sessions_user_id. The address of a session is that of its beginning, and so is the time it is compared by: a phone
 * that was signed in on the road last week and refreshes at home is nowhere else.
 */
const elsewhereRead = defineStatement(
  'loginElsewhereRead',
  `SELECT s.id AS "sessionId", s."ipAddress" AS ip, s."userAgent" AS agent
   FROM sessions s
   WHERE s."userId" = $1 AND s.id <> $2 AND s."createdAt" > clock_timestamp() - make_interval(secs => $3)
   ORDER BY s.id LIMIT 20`,
);

/** See migration security, whose detections these are. */
const loginWaits = defineStatement('userLoginWaits', `SELECT 1 WHERE user_login_waits($1)`);

/** At most twenty, begun within so many seconds. */
export const readElsewhere = (
  sql: Sql,
  { userId, id }: { readonly userId: string; readonly id: string },
  withinSeconds: number,
): Promise<Elsewhere[]> => sql.query(elsewhereRead, [userId, id, withinSeconds]);

/**
 * Cookies of now are of nobody any more: a copy's clock may be five seconds ahead of this one (the bound of the key
 * ring), and a cookie tells whole seconds. Whoever proves more meanwhile is known a few seconds later.
 */
const devicesForget = defineStatement(
  'userDevicesForget',
  `UPDATE users SET "devicesSince" = date_trunc('second', clock_timestamp()) + interval '6 seconds' WHERE id = $1 RETURNING email`,
);

/** The address of the account; undefined where there is none. */
export const forgetDevicesRow = async (tx: Sql, userId: string): Promise<string | undefined> =>
  (await tx.query<{ email: string }>(devicesForget, [userId]))[0]?.email;

/** Whether a sign-in in a place that detections act on has not been judged yet; the user is locked by the caller. */
export const isSignInUnevaluated = async (tx: Sql, userId: string): Promise<boolean> =>
  (await tx.query(loginWaits, [userId])).length > 0;
