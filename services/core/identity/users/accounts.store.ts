import type { Sql, Tx } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AuthUser } from './auth-user.ts';

export type AccountRow = Omit<AuthUser, 'disabledAt'> & {
  readonly isDisabled: boolean;
  /** Null if the account never had a password. */
  readonly passwordChangedAt: Date | null;
  /** Browsers that signed in before this time are unknown. */
  readonly devicesSince: Date | null;
  /** Whether password sign-in requires a second factor. */
  readonly hasSecondFactor: boolean;
  /** Digest of the password; null if the account has none. */
  readonly digest: string | null;
};

/** The factors of a user other than the password. */
type FactorsRow = {
  /** Whether an authenticator app is confirmed. */
  readonly hasTotp: boolean;
  readonly passkeys: number;
  readonly codesLeft: number;
  /** Whether the user enrols a second factor before the first session: an import could not bring the former one. */
  readonly owesFactor: boolean;
  /** All roles of the user, including those that require two factors. */
  readonly roles: readonly string[];
};

type InsertedUser = Pick<AccountRow, 'id' | 'email' | 'emailVerified' | 'name' | 'image' | 'createdAt' | 'updatedAt'>;

/** Index: two_factors' unique user, passkeys_user_id. */
const HAS_SECOND_FACTOR = `(EXISTS (SELECT FROM two_factors f WHERE f."userId" = u.id AND f.verified)
   OR EXISTS (SELECT FROM passkeys p WHERE p."userId" = u.id))`;
const ACCOUNT = `${HAS_SECOND_FACTOR} AS "hasSecondFactor", u.id, u.email, u."emailVerified" IS NOT NULL AS "emailVerified", u.name, u.image, u."createdAt",
  u."updatedAt", u.roles, u."disabledAt" IS NOT NULL AS "isDisabled", u."tokenEpoch",
  u."passwordChangedAt", greatest(u."passwordChangedAt", u."devicesSince") AS "devicesSince", a.password AS digest`;
const FROM = `FROM users u LEFT JOIN accounts a ON a."userId" = u.id AND a."providerId" = 'credential' AND a."accountId" = u.id`;

const accountFindByEmail = defineStatement('accountFindByEmail', `SELECT ${ACCOUNT} ${FROM} WHERE u.email = $1`);
const accountFindById = defineStatement('accountFindById', `SELECT ${ACCOUNT} ${FROM} WHERE u.id = $1`);

/** Index: two_factors' unique user, passkeys_user_id. */
const factorsRead = defineStatement('factorsRead')`
  SELECT coalesce(t.verified, false) AS "hasTotp", coalesce(t."codesLeft", 0) AS "codesLeft", u.roles, u."owesFactor",
    (SELECT count(*)::int FROM passkeys p WHERE p."userId" = u.id) AS passkeys
  FROM users u LEFT JOIN two_factors t ON t."userId" = u.id WHERE u.id = $1`;

const userLock = defineStatement('userLock', 'SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE');

const userInsert = defineStatement('accountUserInsert')`
  INSERT INTO users (id, email, name, "emailVerified") VALUES ($1, $2, $3, CASE WHEN $4 THEN now() END)
  ON CONFLICT (email) DO NOTHING
  RETURNING id, email, "emailVerified" IS NOT NULL AS "emailVerified", name, image, "createdAt", "updatedAt"`;

const passwordInsert = defineStatement('passwordInsert')`
  INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ($1, $2, 'credential', $2, $3)`;

/**
 * The row trigger ends every session. Replaces any digest, because a sign-in may have upgraded it since it was read.
 */
const passwordReplace = defineStatement('passwordReplace')`
  UPDATE accounts SET password = $2, "updatedAt" = now() WHERE "userId" = $1 AND "providerId" = 'credential'
  RETURNING id`;

const otherAccountsDelete = defineStatement('otherAccountsDelete')`
  DELETE FROM accounts WHERE "userId" = $1 AND ("providerId" <> 'credential' OR password IS NULL)`;

const passkeysDelete = defineStatement('accountPasskeysDelete')`
  DELETE FROM passkeys WHERE id IN (SELECT id FROM passkeys WHERE "userId" = $1 ORDER BY id FOR UPDATE)`;
const twoFactorsDelete = defineStatement('accountTwoFactorsDelete', `DELETE FROM two_factors WHERE "userId" = $1`);

const emailProve = defineStatement('emailProve')`
  UPDATE users SET "emailVerified" = now(), "updatedAt" = now() WHERE id = $1 AND email = $2 AND "emailVerified" IS NULL
  RETURNING id`;

const emailReplace = defineStatement('emailReplace')`
  UPDATE users SET email = $2, "emailVerified" = CASE WHEN $3 THEN now() END, "updatedAt" = now() WHERE id = $1 RETURNING id`;

const profileWrite = defineStatement('profileWrite')`
  UPDATE users SET name = CASE WHEN $2 THEN $3 ELSE name END, image = CASE WHEN $4 THEN $5 ELSE image END,
    "updatedAt" = now() WHERE id = $1 RETURNING id`;

const one = async <R>(rows: Promise<R[]>): Promise<R | undefined> => (await rows)[0];
const isDone = async (rows: Promise<unknown[]>): Promise<boolean> => (await rows).length > 0;

const NOTHING: FactorsRow = { hasTotp: false, passkeys: 0, codesLeft: 0, owesFactor: false, roles: [] };

export async function readFactors(sql: Sql, userId: string): Promise<FactorsRow> {
  const [row] = await sql.query<FactorsRow>(factorsRead, [userId]);
  return row ?? NOTHING;
}

export const findAccountByEmail = (sql: Sql, email: string): Promise<AccountRow | undefined> =>
  one(sql.query<AccountRow>(accountFindByEmail, [email]));

export const findAccount = (sql: Sql, userId: string): Promise<AccountRow | undefined> =>
  one(sql.query<AccountRow>(accountFindById, [userId]));

/**
 * Locks the user until the end of the transaction. Every transaction that changes or checks a password does this first:
 * the account read afterwards stays unchanged, and locks are taken in one order (user, accounts, sessions, families).
 */
export const lockUser = (tx: Tx, userId: string): Promise<boolean> => isDone(tx.query(userLock, [userId]));

/**
 * Returns undefined if another account has the address. The address is stored as verified unless `isVerified` is false.
 */
export const insertUser = (
  tx: Tx,
  user: { readonly id: string; readonly email: string; readonly name: string; readonly isVerified?: boolean },
): Promise<InsertedUser | undefined> =>
  one(tx.query<InsertedUser>(userInsert, [user.id, user.email, user.name, user.isVerified ?? true]));

/** Stores the first password of an account. */
export const insertPassword = (tx: Tx, id: string, userId: string, digest: string): Promise<unknown> =>
  tx.query(passwordInsert, [id, userId, digest]);

/**
 * Replaces the password; the row trigger ends every session. The caller has locked the user. Throws if the password row
 * was deleted since it was read: the caller must not report a password that was not stored.
 */
export async function replacePassword(tx: Tx, userId: string, digest: string): Promise<void> {
  if (!(await isDone(tx.query(passwordReplace, [userId, digest])))) throw new Error('a required value is missing');
}

/** Removes every sign-in method except the password. */
export const deleteOtherAccounts = (tx: Tx, userId: string): Promise<unknown> =>
  tx.query(otherAccountsDelete, [userId]);

/** Removes every second factor and passkey. */
export async function deleteFactors(tx: Tx, userId: string): Promise<void> {
  await tx.query(passkeysDelete, [userId]);
  await tx.query(twoFactorsDelete, [userId]);
}

/** Returns false if the address has changed or is already verified. */
export const markEmailVerified = (tx: Tx, userId: string, email: string): Promise<boolean> =>
  isDone(tx.query(emailProve, [userId, email]));

export const replaceEmail = (tx: Tx, userId: string, email: string, isVerified: boolean): Promise<boolean> =>
  isDone(tx.query(emailReplace, [userId, email, isVerified]));

/** Undefined leaves a field unchanged; null clears it. */
export const writeProfile = (
  tx: Tx,
  userId: string,
  { name, image }: { readonly name?: string | null | undefined; readonly image?: string | null | undefined },
): Promise<boolean> =>
  isDone(tx.query(profileWrite, [userId, name !== undefined, name ?? null, image !== undefined, image ?? null]));

export type PasswordCredential = {
  readonly userId: string;
  readonly digest: string | null;
  /** Browsers that signed in before this time are unknown: the password was changed or the devices were forgotten. */
  readonly devicesSince: Date | null;
  readonly isDisabled: boolean;
  /** Whether the address is verified. */
  readonly isVerified: boolean;
};

/** Column of `users u`; greatest() ignores null. */
const DEVICES_SINCE = `greatest(u."passwordChangedAt", u."devicesSince")`;

/** Index: users_email_key, accounts_user_id. An account without a password (social sign-in) has no digest. */
const credentialFindByEmail = defineStatement('credentialFindByEmail')`
  SELECT u.id AS "userId", a.password AS digest, ${DEVICES_SINCE} AS "devicesSince",
    u."disabledAt" IS NOT NULL AS "isDisabled", u."emailVerified" IS NOT NULL AS "isVerified"
  FROM users u LEFT JOIN accounts a ON a."userId" = u.id AND a."providerId" = 'credential' AND a."accountId" = u.id
  WHERE u.email = $1`;

/** The function locks the account's row and signals to the row trigger that the password itself is unchanged. */
const accountPasswordUpgrade = defineStatement('accountPasswordUpgrade')`
  SELECT account_password_upgrade($1, $2, $3) AS replaced`;

/** Expired links and codes. Index: verifications_expires_at. */
export const verificationPurge = definePurge({
  table: 'verifications',
  ends: '"expiresAt"',
  stays: `interval '1 hour'`,
});

export async function findCredential(sql: Sql, email: string): Promise<PasswordCredential | undefined> {
  const [row] = await sql.query<PasswordCredential>(credentialFindByEmail, [email]);
  return row;
}

/** Returns false if the password has changed in the meantime. */
export async function replaceDigest(tx: Sql, userId: string, verified: string, upgraded: string): Promise<boolean> {
  const [row] = await tx.query<{ replaced: boolean }>(accountPasswordUpgrade, [userId, verified, upgraded]);
  return row?.replaced ?? false;
}

/**
 * Sets a time a few seconds ahead, because another copy's clock may be five seconds ahead (the bound of the key ring),
 * and a cookie stores whole seconds. A browser that signs in within these seconds does not become known.
 */
const devicesForget = defineStatement('userDevicesForget')`
  UPDATE users SET "devicesSince" = date_trunc('second', clock_timestamp()) + interval '6 seconds' WHERE id = $1 RETURNING email`;

/** Forgets the devices and returns the address of the account; undefined if it does not exist. */
export const forgetDevicesRow = async (tx: Sql, userId: string): Promise<string | undefined> =>
  (await tx.query<{ email: string }>(devicesForget, [userId]))[0]?.email;

/** A function of the part security of the baseline migration, which defines the detections. */
const loginWaits = defineStatement('userLoginWaits', `SELECT 1 WHERE user_login_waits($1)`);

/** Whether detections have yet to evaluate a sign-in from a place they act on. The caller has locked the user. */
export const isSignInUnevaluated = async (tx: Sql, userId: string): Promise<boolean> =>
  (await tx.query(loginWaits, [userId])).length > 0;
