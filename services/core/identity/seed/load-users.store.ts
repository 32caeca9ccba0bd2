import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

// Each insert takes rows in the order given, and the row triggers write the audit rows. No lock beyond the seed lock.

/** Existing addresses keep their user. Index: the unique address. */
const loadUsersInsert = defineStatement('loadUsersInsert')`
  INSERT INTO users (id, email, name, "emailVerified") SELECT id, email, $3, now()
  FROM unnest($1::text[], $2::text[]) AS n (id, email) ON CONFLICT (email) DO NOTHING`;

/** Index: the unique address. */
const loadUsersRead = defineStatement('loadUsersRead')`
  SELECT id, email FROM users WHERE email = ANY ($1::text[]) ORDER BY email`;

/** Replaces only another digest, because a changed password ends every session of its user. */
const loadPasswordsUpsert = defineStatement('loadPasswordsUpsert')`
  INSERT INTO accounts (id, "accountId", "providerId", "userId", password) SELECT id, user_id, 'credential', user_id, $3
  FROM unnest($1::text[], $2::text[]) AS n (id, user_id)
  ON CONFLICT ("providerId", "accountId") DO UPDATE SET password = EXCLUDED.password, "updatedAt" = now()
  WHERE accounts.password IS DISTINCT FROM EXCLUDED.password`;

const loadSessionsInsert = defineStatement('loadSessionsInsert')`
  INSERT INTO sessions (id, token, "userId", "expiresAt", "userAgent", amr)
  SELECT id, token, user_id, now() + make_interval(secs => $4::float8), $5, '{pwd}'
  FROM unnest($1::text[], $2::text[], $3::text[]) AS n (id, token, user_id)`;

export const insertLoadUsers = async (
  tx: Sql,
  users: readonly { readonly id: string; readonly email: string }[],
  name: string,
): Promise<void> => {
  await tx.query(loadUsersInsert, [users.map(({ id }) => id), users.map(({ email }) => email), name]);
};

/** In the order of the addresses. */
export const readLoadUsers = (tx: Sql, emails: readonly string[]): Promise<{ id: string; email: string }[]> =>
  tx.query<{ id: string; email: string }>(loadUsersRead, [emails]);

export const upsertLoadPasswords = async (
  tx: Sql,
  accounts: readonly { readonly id: string; readonly userId: string }[],
  digest: string,
): Promise<void> => {
  await tx.query(loadPasswordsUpsert, [accounts.map(({ id }) => id), accounts.map(({ userId }) => userId), digest]);
};

export const insertLoadSessions = async (
  tx: Sql,
  sessions: readonly { readonly id: string; readonly token: string; readonly userId: string }[],
  { lifeSeconds, userAgent }: { readonly lifeSeconds: number; readonly userAgent: string },
): Promise<void> => {
  await tx.query(loadSessionsInsert, [
    sessions.map(({ id }) => id),
    sessions.map(({ token }) => token),
    sessions.map(({ userId }) => userId),
    lifeSeconds,
    userAgent,
  ]);
};
