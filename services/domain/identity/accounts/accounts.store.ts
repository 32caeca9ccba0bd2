import type { Sql, Tx } from '#services/domain/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { required } from '../better-auth/handover.ts';
import type { AuthSession } from '../sessions/live-session.ts';
import { isInUse } from '../sessions/sessions.store.ts';
import { lockUser as lockUserRow } from '../users/users.store.ts';

export type AccountRow = {
  readonly id: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly name: string | null;
  readonly image: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly roles: readonly string[];
  readonly isDisabled: boolean;
  /** Raised by whatever ends every login. */
  readonly tokenEpoch: number;
  /** Null where it never had a password. */
  readonly passwordChangedAt: Date | null;
  /** Browsers that signed in before are not known. */
  readonly devicesSince: Date | null;
  /** Whether a sign-in by password asks for a second factor. */
  readonly hasSecondFactor: boolean;
  /** Of the password; null where the account has none. */
  readonly digest: string | null;
};

type InsertedUser = Pick<AccountRow, 'id' | 'email' | 'emailVerified' | 'name' | 'image' | 'createdAt' | 'updatedAt'>;

/** By two_factors' unique user and passkeys_user_id. */
const HAS_SECOND_FACTOR = `(EXISTS (SELECT FROM two_factors f WHERE f."userId" = u.id AND f.verified)
   OR EXISTS (SELECT FROM passkeys p WHERE p."userId" = u.id))`;
const ACCOUNT = `${HAS_SECOND_FACTOR} AS "hasSecondFactor", u.id, u.email, u."emailVerified" IS NOT NULL AS "emailVerified", u.name, u.image, u."createdAt",
  u."updatedAt", u.roles, u."disabledAt" IS NOT NULL AS "isDisabled", u."tokenEpoch",
  u."passwordChangedAt", greatest(u."passwordChangedAt", u."devicesSince") AS "devicesSince", a.password AS digest`;
const FROM = `FROM users u LEFT JOIN accounts a ON a."userId" = u.id AND a."providerId" = 'credential' AND a."accountId" = u.id`;

const accountFindByEmail = defineStatement('accountFindByEmail', `SELECT ${ACCOUNT} ${FROM} WHERE u.email = $1`);
const accountFindById = defineStatement('accountFindById', `SELECT ${ACCOUNT} ${FROM} WHERE u.id = $1`);

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

/** The row trigger ends every login. Under a stronger digest it may be since it was read: whatever is there goes. */
const passwordReplace = defineStatement(
  'passwordReplace',
  `UPDATE accounts SET password = $2, "updatedAt" = now() WHERE "userId" = $1 AND "providerId" = 'credential'
   RETURNING id`,
);

const loginsEnd = defineStatement('loginsEnd', `SELECT user_every_login_end($1)`);

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

const sessionRead = defineStatement(
  'sessionRead',
  `SELECT s.id, s."userId", s.token, s."expiresAt", s."createdAt", s."updatedAt", s."ipAddress", s."userAgent", s.amr, s.acr,
     u."disabledAt" IS NOT NULL AS "isDisabled", NOT ${isInUse('s', '$2')} AS "isRested"
   FROM sessions s JOIN users u ON u.id = s."userId" WHERE s.id = $1`,
);

const one = async <R>(rows: Promise<R[]>): Promise<R | undefined> => (await rows)[0];
const isDone = async (rows: Promise<unknown[]>): Promise<boolean> => (await rows).length > 0;

export const findAccountByEmail = (sql: Sql, email: string): Promise<AccountRow | undefined> =>
  one(sql.query<AccountRow>(accountFindByEmail, [email]));

export const findAccount = (sql: Sql, userId: string): Promise<AccountRow | undefined> =>
  one(sql.query<AccountRow>(accountFindById, [userId]));

/**
 * Holds the user until the end of the transaction. Whoever changes or proves a password does this first: what is read
 * of the account afterwards stays so, and locks are taken in one order (user, accounts, sessions, families).
 */
export const lockUser = async (tx: Tx, userId: string): Promise<boolean> =>
  (await lockUserRow(tx, userId)) !== undefined;

/** Undefined where another account has the address, which is proven unless said. */
export const insertUser = (
  tx: Tx,
  user: { readonly id: string; readonly email: string; readonly name: string; readonly isProven?: boolean },
): Promise<InsertedUser | undefined> =>
  one(tx.query<InsertedUser>(userInsert, [user.id, user.email, user.name, user.isProven ?? true]));

/** The first password of an account. */
export const insertPassword = (tx: Tx, id: string, userId: string, digest: string): Promise<unknown> =>
  tx.query(passwordInsert, [id, userId, digest]);

/**
 * Another password, and the row trigger ends every login; the user is locked by the caller. Throws where there is none
 * any more, deleted by hand since it was read: whoever gives a password is told of none that does not count.
 */
export const replacePassword = async (tx: Tx, userId: string, digest: string): Promise<unknown> =>
  required(await one(tx.query(passwordReplace, [userId, digest])));

/** Raises the user's epoch and ends every session, family and access token. */
export const endEveryLogin = (tx: Tx, userId: string): Promise<unknown> => tx.query(loginsEnd, [userId]);

/** Takes every way to sign in but a password from the account. */
export const deleteOtherAccounts = (tx: Tx, userId: string): Promise<unknown> =>
  tx.query(otherAccountsDelete, [userId]);

/** Takes every second factor and passkey from the account. */
export async function deleteFactors(tx: Tx, userId: string): Promise<void> {
  await tx.query(passkeysDelete, [userId]);
  await tx.query(twoFactorsDelete, [userId]);
}

/** False where the address is another by now, or proven already. */
export const proveEmail = (tx: Tx, userId: string, email: string): Promise<boolean> =>
  isDone(tx.query(emailProve, [userId, email]));

export const replaceEmail = (tx: Tx, userId: string, email: string): Promise<boolean> =>
  isDone(tx.query(emailReplace, [userId, email]));

/** Undefined leaves a field as it is; null empties it. */
export const writeProfile = (
  tx: Tx,
  userId: string,
  { name, image }: { readonly name?: string | null | undefined; readonly image?: string | null | undefined },
): Promise<boolean> =>
  isDone(tx.query(profileWrite, [userId, name !== undefined, name ?? null, image !== undefined, image ?? null]));

export const readSessionRow = (
  sql: Sql,
  sessionId: string,
  idleSeconds: number,
): Promise<(AuthSession & { readonly isDisabled: boolean; readonly isRested: boolean }) | undefined> =>
  one(sql.query(sessionRead, [sessionId, idleSeconds]));
