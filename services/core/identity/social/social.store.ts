import type { Sql, Tx } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type Attempt = {
  readonly browser_hash: Buffer;
  readonly provider: string;
  readonly callback_url: string | null;
  readonly link_user_id: string | null;
};

/** A linked account as stored; its tokens are sealed for the row. */
export type AccountValues = {
  readonly providerId: string;
  readonly accountId: string;
  readonly scope: string | null;
  readonly accessToken: string | null;
  readonly refreshToken: string | null;
  readonly idToken: string | null;
  readonly accessTokenExpiresAt: Date | null;
  readonly refreshTokenExpiresAt: Date | null;
};

export type LinkedAccountRow = {
  readonly id: string;
  readonly providerId: string;
  readonly accountId: string;
  readonly scope: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
};

const attemptInsert = defineStatement('socialAttemptInsert')`
  INSERT INTO social_sign_ins (state_hash, browser_hash, provider, callback_url, link_user_id, expires_at)
  VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6))`;

/** Presenting a state consumes it, even from the wrong browser. */
const attemptTake = defineStatement('socialAttemptTake')`
  DELETE FROM social_sign_ins WHERE state_hash = $1 AND expires_at > clock_timestamp()
  RETURNING browser_hash, provider, callback_url, link_user_id`;

/** Index: the unique key of providerId and accountId. */
const ownerFind = defineStatement('socialOwnerFind')`
  SELECT a.id, a."userId", u.email FROM accounts a JOIN users u ON u.id = a."userId"
  WHERE a."providerId" = $1 AND a."accountId" = $2`;

const accountInsert = defineStatement('socialAccountInsert')`
  INSERT INTO accounts (id, "userId", "providerId", "accountId", scope, "accessToken", "refreshToken", "idToken",
    "accessTokenExpiresAt", "refreshTokenExpiresAt")
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT ("providerId", "accountId") DO NOTHING RETURNING id`;

/** If the provider returns no new refresh token, the old one stays valid. */
const accountRefresh = defineStatement('socialAccountRefresh')`
  UPDATE accounts SET scope = coalesce($2, scope), "accessToken" = $3, "refreshToken" = coalesce($4, "refreshToken"),
    "idToken" = coalesce($5, "idToken"), "accessTokenExpiresAt" = $6,
    "refreshTokenExpiresAt" = coalesce($7, "refreshTokenExpiresAt"), "updatedAt" = now()
  WHERE id = $1`;

const accountsList = defineStatement('linkedAccountsList')`
  SELECT id, "providerId", "accountId", scope, "createdAt", "updatedAt" FROM accounts WHERE "userId" = $1
  ORDER BY "createdAt", id LIMIT 100`;

/**
 * Locked in id order: of two concurrent requests that remove the last two sign-in methods, the second finds only one
 * left.
 */
const signInMethodsLock = defineStatement('signInMethodsLock')`
  SELECT id, "providerId", "accountId", scope, "createdAt", "updatedAt" FROM accounts WHERE "userId" = $1 ORDER BY id FOR UPDATE`;

const passkeyExists = defineStatement('passkeyExists', `SELECT 1 FROM passkeys WHERE "userId" = $1 LIMIT 1`);

const accountDelete = defineStatement('linkedAccountDelete', `DELETE FROM accounts WHERE id = $1 AND "userId" = $2`);

/** In id order, like `signInMethodsLock`; the row trigger writes the event. `createdAt` has milliseconds. */
const accountsDeleteSince = defineStatement('linkedAccountsDeleteSince')`
  DELETE FROM accounts WHERE id IN (
    SELECT id FROM accounts WHERE "userId" = $1 AND "providerId" <> 'credential'
      AND "createdAt" >= date_trunc('milliseconds', $2::timestamptz)
    ORDER BY id FOR UPDATE)
  RETURNING 1`;

const passwordDelete = defineStatement('socialPasswordDelete')`
  DELETE FROM accounts WHERE "userId" = $1 AND "providerId" = 'credential'`;

export const insertAttempt = (
  sql: Sql,
  stateHash: Buffer,
  { browser_hash: browserHash, provider, callback_url: callbackUrl, link_user_id: linkUserId }: Attempt,
  lifeSeconds: number,
): Promise<unknown> =>
  sql.query(attemptInsert, [stateHash, browserHash, provider, callbackUrl, linkUserId, lifeSeconds]);

/** Of concurrent callers, exactly one gets it. */
export const takeAttempt = async (sql: Sql, stateHash: Buffer): Promise<Attempt | undefined> =>
  (await sql.query<Attempt>(attemptTake, [stateHash]))[0];

export const findOwner = async (
  sql: Sql,
  providerId: string,
  accountId: string,
): Promise<{ readonly id: string; readonly userId: string; readonly email: string } | undefined> =>
  (await sql.query<{ id: string; userId: string; email: string }>(ownerFind, [providerId, accountId]))[0];

/** False if the account is already linked to a user. */
export async function insertAccount(tx: Tx, id: string, userId: string, values: AccountValues): Promise<boolean> {
  const { providerId, accountId, scope, accessToken, refreshToken, idToken } = values;
  const { accessTokenExpiresAt, refreshTokenExpiresAt } = values;
  const rows = await tx.query(accountInsert, [
    id,
    userId,
    providerId,
    accountId,
    scope,
    accessToken,
    refreshToken,
    idToken,
    accessTokenExpiresAt,
    refreshTokenExpiresAt,
  ]);
  return rows.length > 0;
}

export const refreshAccount = (tx: Tx, id: string, values: AccountValues): Promise<unknown> =>
  tx.query(accountRefresh, [
    id,
    values.scope,
    values.accessToken,
    values.refreshToken,
    values.idToken,
    values.accessTokenExpiresAt,
    values.refreshTokenExpiresAt,
  ]);

export const listAccounts = (sql: Sql, userId: string): Promise<LinkedAccountRow[]> =>
  sql.query<LinkedAccountRow>(accountsList, [userId]);

export const lockSignInMethods = (tx: Tx, userId: string): Promise<LinkedAccountRow[]> =>
  tx.query<LinkedAccountRow>(signInMethodsLock, [userId]);

export const hasPasskey = async (tx: Tx, userId: string): Promise<boolean> =>
  (await tx.query(passkeyExists, [userId])).length > 0;

export const deleteLinkedAccount = (tx: Tx, id: string, userId: string): Promise<unknown> =>
  tx.query(accountDelete, [id, userId]);

/** Unlinks the other providers linked since; returns whether there were any. The caller has locked the user. */
export const deleteAccountsSince = async (tx: Tx, userId: string, since: string): Promise<boolean> =>
  (await tx.query(accountsDeleteSince, [userId, since])).length > 0;

/** The caller has locked the user. */
export const deletePassword = (tx: Tx, userId: string): Promise<unknown> => tx.query(passwordDelete, [userId]);

/** Expired attempts. Index: social_sign_ins_expires_at. */
export const socialAttemptPurge = definePurge({
  table: 'social_sign_ins',
  id: 'state_hash',
  ends: 'expires_at',
  stays: `interval '5 minutes'`,
});
