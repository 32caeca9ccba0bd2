import type { Sql } from '#services/core/ports.ts';
import { defineFinder, type Finder, type Found, patternOf } from '#services/core/shared/finder.store.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AccountView } from '../contracts/admin-contract.ts';
import { usersRead } from '../permissions.ts';

const COLUMNS = `u.id, u.email, u.name, ${placeTime('u."emailVerified"')} AS email_verified_at, u.roles,
  ${placeTime('u."disabledAt"')} AS disabled_at, ${placeTime('u."createdAt"')} AS created_at, ${placeTime('u."updatedAt"')} AS updated_at`;

export type UserFilter = {
  /** Prefix of the address, in lower case. */
  readonly emailPrefix?: string | undefined;
  readonly role?: string | undefined;
  readonly isDisabled?: boolean | undefined;
  /** RFC 3339, inclusive. */
  readonly createdFrom?: string | undefined;
  readonly createdTo?: string | undefined;
};

/** A prefix followed by this character sorts, byte for byte, after every text that begins with the prefix. */
const AFTER_ALL = '\u{10ffff}';

/**
 * Newest first. Indexes: users_created_at; for an address users_email_prefix, for a role user_roles_role, for disabled
 * accounts users_disabled. Each set of filters has its own statement, because they need different plans.
 */
export function readUsersPage(
  sql: Sql,
  filter: UserFilter,
  before: readonly string[] | undefined,
  limit: number,
): Promise<AccountView[]> {
  const values: unknown[] = [limit];
  const names: string[] = [];
  const conditions: string[] = [];
  const add = (name: string, condition: (...places: string[]) => string, ...given: unknown[]): void => {
    names.push(name);
    conditions.push(condition(...given.map((value) => `$${values.push(value)}`)));
  };
  const { emailPrefix, role, isDisabled, createdFrom, createdTo } = filter;
  if (emailPrefix !== undefined)
    add(
      'Email',
      (from, to) => `u.email COLLATE "C" >= ${from} AND u.email COLLATE "C" < ${to}`,
      emailPrefix,
      `${emailPrefix}${AFTER_ALL}`,
    );
  if (role !== undefined) add('Role', (held) => `u.id IN (SELECT user_id FROM user_roles WHERE role = ${held})`, role);
  if (isDisabled !== undefined)
    add(isDisabled ? 'Disabled' : 'Enabled', () => `u."disabledAt" IS ${isDisabled ? 'NOT NULL' : 'NULL'}`);
  if (createdFrom !== undefined) add('From', (from) => `u."createdAt" >= ${from}::timestamptz`, createdFrom);
  if (createdTo !== undefined) add('To', (to) => `u."createdAt" <= ${to}::timestamptz`, createdTo);
  if (before !== undefined)
    add('After', (at, id) => `(u."createdAt", u.id) < (${at}::timestamptz, ${id}::text)`, before[0], before[1]);
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  return sql.query<AccountView>(
    defineStatement(`usersPage${names.join('')}`)`
      SELECT ${COLUMNS} FROM users u ${where} ORDER BY u."createdAt" DESC, u.id DESC LIMIT $1`,
    values,
  );
}

/** Index: the primary key; sessions and token families by their user's index. */
const userRead = defineStatement('userDetailRead')`
  SELECT ${COLUMNS}, coalesce((SELECT i.roles FROM invitations i WHERE i.user_id = u.id LIMIT 1), '{}') AS invited_roles,
    (SELECT count(*)::int FROM sessions s WHERE s."userId" = u.id AND s."expiresAt" > now()) AS sessions,
    ${placeTime('u."lastLoginAt"')} AS last_login_at, ${placeTime('u."passwordChangedAt"')} AS password_changed_at
  FROM users u WHERE u.id = $1`;
/** Indexes: the primary key of users, those of the user in the other tables. The credential is the password. */
const userSignInFacts = defineStatement('userSignInFacts')`
  SELECT EXISTS (SELECT FROM accounts a WHERE a."userId" = u.id AND a."providerId" = 'credential' AND a.password IS NOT NULL)
      AS has_password,
    ARRAY(SELECT DISTINCT a."providerId" FROM accounts a WHERE a."userId" = u.id AND a."providerId" <> 'credential' ORDER BY 1)
      AS providers,
    i.id IS NOT NULL AS is_invited, ${placeTime('i.expires_at')} AS invited_until,
    coalesce(i.expires_at <= now(), false) AS is_invitation_expired,
    CASE WHEN t."lockedUntil" > now() THEN ${placeTime('t."lockedUntil"')} END AS totp_locked_until,
    coalesce(t."failedVerificationCount" >= $2, false) AS is_totp_spent
  FROM users u LEFT JOIN two_factors t ON t."userId" = u.id
    LEFT JOIN LATERAL (SELECT id, expires_at FROM invitations WHERE user_id = u.id LIMIT 1) i ON true
  WHERE u.id = $1`;
/**
 * The first lock of acts that may remove the last administrator: they run one after another. A grant of the role, whose
 * transaction may hold users already, does not wait for it.
 */
const adminRoleLock = defineStatement('adminRoleLock', `SELECT name FROM roles WHERE name = 'admin' FOR NO KEY UPDATE`);
const userLock = defineStatement('managedUserLock', `SELECT ${COLUMNS} FROM users u WHERE u.id = $1 FOR NO KEY UPDATE`);
const otherAdminRead = defineStatement('otherAdminRead')`
  SELECT 1 FROM user_roles r JOIN users u ON u.id = r.user_id
  WHERE r.role = 'admin' AND u.id <> $1 AND u."disabledAt" IS NULL LIMIT 1`;
const activeAdminsRead = defineStatement('activeAdminsRead')`
  SELECT u.id FROM user_roles r JOIN users u ON u.id = r.user_id WHERE r.role = 'admin' AND u."disabledAt" IS NULL`;
/** The row triggers end sessions and token families, and write revocations and audit rows. */
const userDisable = defineStatement('userDisable')`
  UPDATE users SET "disabledAt" = now(), "updatedAt" = now() WHERE id = $1 AND "disabledAt" IS NULL`;
const userEnable = defineStatement('userEnable')`
  UPDATE users SET "disabledAt" = NULL, "updatedAt" = now() WHERE id = $1 AND "disabledAt" IS NOT NULL`;
const userDelete = defineStatement('managedUserDelete', 'DELETE FROM users WHERE id = $1');
const userRoleInsert = defineStatement('userRoleInsert')`
  INSERT INTO user_roles (user_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING`;
/** By the actor of the audit context. */
const ownSignOffRole = defineStatement('ownSignOffRole', 'SELECT is_own_signoff_role($1, $2) AS is_own');
const userRoleDelete = defineStatement('userRoleDelete', 'DELETE FROM user_roles WHERE user_id = $1 AND role = $2');
const userSessionTokensRead = defineStatement('userSessionTokensRead')`SELECT token FROM sessions WHERE "userId" = $1`;
/** Locks user, sessions, families: the order in which every writer of the three locks them. */
const userSessionsDelete = defineStatement('userSessionsDelete')`
  WITH locked AS MATERIALIZED (SELECT user_sessions_lock($1)), gone AS (
    DELETE FROM sessions WHERE "userId" = $1 AND EXISTS (SELECT FROM locked) RETURNING 1)
  SELECT count(*)::int AS count FROM gone`;

type UserDetailRow = AccountView & {
  readonly sessions: number;
  readonly invited_roles: string[];
  readonly last_login_at: string | null;
  readonly password_changed_at: string | null;
};

export const readUser = async (sql: Sql, userId: string): Promise<UserDetailRow | undefined> =>
  (await sql.query<UserDetailRow>(userRead, [userId]))[0];

/** What an account lacks or has for a sign-in, besides what `readUser` and the counters of failures say. */
export type SignInFactsRow = {
  readonly has_password: boolean;
  readonly providers: readonly string[];
  readonly is_invited: boolean;
  readonly invited_until: string | null;
  readonly is_invitation_expired: boolean;
  readonly totp_locked_until: string | null;
  readonly is_totp_spent: boolean;
};

/** @param wrongCodesMax consecutive wrong codes that disable an authenticator app */
export const readSignInFacts = async (
  sql: Sql,
  userId: string,
  wrongCodesMax: number,
): Promise<SignInFactsRow | undefined> =>
  (await sql.query<SignInFactsRow>(userSignInFacts, [userId, wrongCodesMax]))[0];

export const readActiveAdminIds = async (sql: Sql): Promise<string[]> =>
  (await sql.query<{ id: string }>(activeAdminsRead)).map(({ id }) => id);
export const lockAdminRole = async (tx: Sql): Promise<void> => {
  await tx.query(adminRoleLock);
};
/** Locks and returns the user until commit. */
export const lockUserRow = async (tx: Sql, userId: string): Promise<AccountView | undefined> =>
  (await tx.query<AccountView>(userLock, [userId]))[0];
/** Whether another, enabled user has the role `admin`. */
export const hasOtherAdmin = async (tx: Sql, userId: string): Promise<boolean> =>
  (await tx.query(otherAdminRead, [userId])).length === 1;

export const disableUserRow = (tx: Sql, userId: string): Promise<unknown> => tx.query(userDisable, [userId]);
export const enableUserRow = (tx: Sql, userId: string): Promise<unknown> => tx.query(userEnable, [userId]);
export const deleteUserRow = (tx: Sql, userId: string): Promise<unknown> => tx.query(userDelete, [userId]);
export const addUserRole = (tx: Sql, userId: string, role: string): Promise<unknown> =>
  tx.query(userRoleInsert, [userId, role]);
/** Whether the actor of the audit context, or a client of the user, grants a role of sign-off to the user. */
export const isOwnSignOffRole = async (tx: Sql, userId: string, role: string): Promise<boolean> =>
  (await tx.query<{ is_own: boolean }>(ownSignOffRole, [userId, role]))[0]?.is_own === true;
export const removeUserRole = (tx: Sql, userId: string, role: string): Promise<unknown> =>
  tx.query(userRoleDelete, [userId, role]);

export const readSessionTokens = async (sql: Sql, userId: string): Promise<string[]> =>
  (await sql.query<{ token: string }>(userSessionTokensRead, [userId])).map(({ token }) => token);

export const deleteSessionsOf = async (tx: Sql, userId: string): Promise<number> =>
  (await tx.query<{ count: number }>(userSessionsDelete, [userId]))[0]?.count ?? 0;

/** Index: users_find. */
const byPart = defineFinder({
  kind: 'user',
  permission: usersRead,
  from: 'users',
  id: 'id',
  label: 'coalesce(name, email)',
  detail: 'email',
  parts: ['id', 'email', 'name'],
});
const FOUND = 'SELECT id, coalesce(name, email) AS label, email AS detail FROM';
/**
 * Addresses that begin with the text, by users_email_prefix, then those of the 1,000 newest accounts of which it is a part: it
 * finds at once what many accounts have in common, of which the trigram index would read every entry.
 */
const userFindNear = defineStatement('userFindNear')`
  (${FOUND} users WHERE email COLLATE "C" >= $2 AND email COLLATE "C" < $3 LIMIT $4) UNION ALL
  (${FOUND} (SELECT id, email, name FROM users ORDER BY "createdAt" DESC, id DESC LIMIT 1000) newest
   WHERE id ILIKE $1 OR email LIKE $1 OR name ILIKE $1 LIMIT $4)`;
/** Shorter words have no trigram of their own: the index would read all it has. */
const HAS_TRIGRAM = /[\p{L}\p{N}]{3}/u;

/** Users by any part of name, address or id; by the beginning of the address if the text is short. A whole address is enough. */
export const userFinder: Finder = {
  ...byPart,
  async find(sql, text, limit) {
    const lower = text.toLowerCase();
    const near = await sql.query<Omit<Found, 'kind' | 'owner'>>(userFindNear, [
      patternOf(lower),
      lower,
      `${lower}${AFTER_ALL}`,
      limit,
    ]);
    const found = new Map(near.map((row): [string, Found] => [row.id, { kind: 'user', ...row, owner: null }]));
    const isWhole = near.some(({ detail }) => detail === lower);
    if (!isWhole && found.size < limit && HAS_TRIGRAM.test(lower))
      for (const user of await byPart.find(sql, lower, limit)) found.set(user.id, user);
    return [...found.values()].slice(0, limit);
  },
};
