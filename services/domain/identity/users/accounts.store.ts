import type { Sql, Tx } from '#services/domain/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AuthUser } from './auth-user.ts';
import { lockUserRow } from './users.store.ts';

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
export type FactorsRow = {
  /** Whether an authenticator app is confirmed. */
  readonly hasTotp: boolean;
  readonly passkeys: number;
  readonly codesLeft: number;
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
const factorsRead = defineStatement(
  'factorsRead',
  `SELECT coalesce(t.verified, false) AS "hasTotp", coalesce(t."codesLeft", 0) AS "codesLeft", u.roles,
     (SELECT count(*)::int FROM passkeys p WHERE p."userId" = u.id) AS passkeys
   FROM users u LEFT JOIN two_factors t ON t."userId" = u.id WHERE u.id = $1`,
);

const userInsert = defineStatement(
  'accountUserInsert',
  `INSERT INTO users (id, email, name, "emailVerified") VALUES ($1, $2, $3, CASE WHEN $4 THEN now() END)
   ON CONFLICT (email) DO NOTHING
   RETURNING id, email, "emailVerified" IS NOT NULL AS "emailVerified", name, image, "createdAt", "updatedAt"`,
);

const passwordInsert = defineStatement(
  'passwordInsert',
  `INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ($1, $2, 'credential', $2, $3)`,
);

/**
 * The row trigger ends every session. Replaces any digest, because a sign-in may have upgraded it since it was read.
 */
const passwordReplace = defineStatement(
  'passwordReplace',
  `UPDATE accounts SET password = $2, "updatedAt" = now() WHERE "userId" = $1 AND "providerId" = 'credential'
   RETURNING id`,
);

const otherAccountsDelete = defineStatement(
  'otherAccountsDelete',
  `DELETE FROM accounts WHERE "userId" = $1 AND ("providerId" <> 'credential' OR password IS NULL)`,
);

const passkeysDelete = defineStatement(
  'accountPasskeysDelete',
  `DELETE FROM passkeys WHERE id IN (SELECT id FROM passkeys WHERE "userId" = $1 ORDER BY id FOR UPDATE)`,
);
const twoFactorsDelete = defineStatement('accountTwoFactorsDelete', `DELETE FROM two_factors WHERE "userId" = $1`);

const emailProve = defineStatement(
  'emailProve',
  `UPDATE users SET "emailVerified" = now(), "updatedAt" = now() WHERE id = $1 AND email = $2 AND "emailVerified" IS NULL
   RETURNING id`,
);

const emailReplace = defineStatement(
  'emailReplace',
  `UPDATE users SET email = $2, "emailVerified" = now(), "updatedAt" = now() WHERE id = $1 RETURNING id`,
);

const profileWrite = defineStatement(
  'profileWrite',
  `UPDATE users SET name = CASE WHEN $2 THEN $3 ELSE name END, image = CASE WHEN $4 THEN $5 ELSE image END,
     "updatedAt" = now() WHERE id = $1 RETURNING id`,
);

const one = async <R>(rows: Promise<R[]>): Promise<R | undefined> => (await rows)[0];
const isDone = async (rows: Promise<unknown[]>): Promise<boolean> => (await rows).length > 0;

const NOTHING: FactorsRow = { hasTotp: false, passkeys: 0, codesLeft: 0, roles: [] };

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
export const lockUser = async (tx: Tx, userId: string): Promise<boolean> =>
  (await lockUserRow(tx, userId)) !== undefined;

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

export const replaceEmail = (tx: Tx, userId: string, email: string): Promise<boolean> =>
  isDone(tx.query(emailReplace, [userId, email]));

/** Undefined leaves a field unchanged; null clears it. */
export const writeProfile = (
  tx: Tx,
  userId: string,
  { name, image }: { readonly name?: string | null | undefined; readonly image?: string | null | undefined },
): Promise<boolean> =>
  isDone(tx.query(profileWrite, [userId, name !== undefined, name ?? null, image !== undefined, image ?? null]));
