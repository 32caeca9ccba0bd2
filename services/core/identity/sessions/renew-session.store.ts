import { hash } from 'node:crypto';
import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AuthSession } from './live-session.ts';

/** Locks a live session of the user. Index: the primary key. */
const sessionHold = defineStatement('sessionHold')`
  SELECT token FROM sessions WHERE id = $1 AND "userId" = $2 AND "expiresAt" > now() FOR NO KEY UPDATE`;

/**
 * The time of a new sign-in, its methods and its cookie. A request that overtook this one may have replaced the cookie
 * already; both then get the same, so that it does not matter which response the browser receives last. The row trigger
 * refuses the former cookie, shortens the token families and writes the audit row. Index: the primary key.
 */
const sessionRenew = defineStatement('sessionRenew')`
  UPDATE sessions SET token = CASE WHEN token = $3 THEN $4 ELSE token END, "authenticatedAt" = $5, amr = $6, acr = $7,
    "expiresAt" = $8, "ipAddress" = $9, "userAgent" = $10, "updatedAt" = clock_timestamp(), "writtenAt" = clock_timestamp()
  WHERE id = $1 AND "userId" = $2
  RETURNING id, token, "userId", "expiresAt", "createdAt", "updatedAt", "ipAddress", "userAgent", amr, acr, "authenticatedAt"`;

type Renewal = Pick<AuthSession, 'amr' | 'acr' | 'expiresAt' | 'ipAddress' | 'userAgent'> & {
  readonly id: string;
  readonly userId: string;
  /** The former token of the cookie, and the next. */
  readonly token: string;
  readonly nextToken: string;
  readonly authenticatedAt: Date;
};

/** Locks a session until the commit and returns its token; undefined if it has ended. */
export const holdToken = async (tx: Sql, id: string, userId: string): Promise<string | undefined> =>
  (await tx.query<{ token: string }>(sessionHold, [id, userId]))[0]?.token;

/** Renews a session that the caller has locked; undefined if it is another user's. */
export async function renewSession(tx: Sql, renewal: Renewal): Promise<AuthSession | undefined> {
  const { id, userId, token, nextToken, authenticatedAt, amr, acr, expiresAt, ipAddress, userAgent } = renewal;
  const values = [id, userId, token, nextToken, authenticatedAt, amr, acr, expiresAt, ipAddress, userAgent];
  return (await tx.query<AuthSession>(sessionRenew, values))[0];
}

/** The value by which the revocation feed names a replaced cookie: the trigger function `session_renewed` writes it. */
export const cookieHashOf = (token: string): string => hash('sha256', token, 'hex');
