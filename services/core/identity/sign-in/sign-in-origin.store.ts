import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Another recent session of the same user. */
export type Elsewhere = { readonly sessionId: string; readonly ip: string | null; readonly agent: string | null };

/**
 * Index: sessions_user_id. A session keeps the IP address and time of its last sign-in, so only recent sign-ins are
 * compared: a phone that signed in on the road last week and is at home now is not in another place.
 */
const elsewhereRead = defineStatement(
  'loginElsewhereRead',
  `SELECT s.id AS "sessionId", s."ipAddress" AS ip, s."userAgent" AS agent
   FROM sessions s
   WHERE s."userId" = $1 AND s.id <> $2 AND coalesce(s."authenticatedAt", s."createdAt") > clock_timestamp() - make_interval(secs => $3)
   ORDER BY s.id LIMIT 20`,
);

/** See migration security, which defines the detections. */
const loginWaits = defineStatement('userLoginWaits', `SELECT 1 WHERE user_login_waits($1)`);

/** Reads at most twenty sessions that began within this many seconds. */
export const readElsewhere = (
  sql: Sql,
  { userId, id }: { readonly userId: string; readonly id: string },
  withinSeconds: number,
): Promise<Elsewhere[]> => sql.query(elsewhereRead, [userId, id, withinSeconds]);

/**
 * Sets a time a few seconds ahead, because another copy's clock may be five seconds ahead (the bound of the key ring),
 * and a cookie stores whole seconds. A browser that signs in within these seconds does not become known.
 */
const devicesForget = defineStatement(
  'userDevicesForget',
  `UPDATE users SET "devicesSince" = date_trunc('second', clock_timestamp()) + interval '6 seconds' WHERE id = $1 RETURNING email`,
);

/** Forgets the devices and returns the address of the account; undefined if it does not exist. */
export const forgetDevicesRow = async (tx: Sql, userId: string): Promise<string | undefined> =>
  (await tx.query<{ email: string }>(devicesForget, [userId]))[0]?.email;

/** Whether detections have yet to evaluate a sign-in from a place they act on. The caller has locked the user. */
export const isSignInUnevaluated = async (tx: Sql, userId: string): Promise<boolean> =>
  (await tx.query(loginWaits, [userId])).length > 0;
