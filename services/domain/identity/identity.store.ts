import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { definePurge } from '../shared/purge.store.ts';

export type Credential = {
  readonly userId: string;
  readonly digest: string | null;
  /** Browsers that signed in before are not known: the password is another one since, or they were forgotten. */
  readonly devicesSince: Date | null;
  readonly isDisabled: boolean;
  /** Of the address. */
  readonly isVerified: boolean;
};

/** Of `users u`; greatest() passes over null. */
const DEVICES_SINCE = `greatest(u."passwordChangedAt", u."devicesSince")`;

/** Served by users_email_key and accounts_user_id. An account without a password (social sign-in) has no digest. */
const credentialFindByEmail = defineStatement(
  'credentialFindByEmail',
  `SELECT u.id AS "userId", a.password AS digest, ${DEVICES_SINCE} AS "devicesSince",
     u."disabledAt" IS NOT NULL AS "isDisabled", u."emailVerified" IS NOT NULL AS "isVerified"
   FROM users u LEFT JOIN accounts a ON a."userId" = u.id AND a."providerId" = 'credential' AND a."accountId" = u.id
   WHERE u.email = $1`,
);

/** The function locks the account's row and tells the row trigger that this is no new password. */
const accountPasswordUpgrade = defineStatement(
  'accountPasswordUpgrade',
  'SELECT account_password_upgrade($1, $2, $3) AS replaced',
);

/** The row triggers end the families, write the revocation and the audit row in the same transaction. */
const sessionDeleteById = defineStatement('sessionDeleteById', `DELETE FROM sessions WHERE id = $1 RETURNING token`);

/**
 * Sessions that ran out so long ago that no token of theirs can live: their row triggers write nothing then. Index:
 * sessions_expires_at.
 */
export const sessionPurge = definePurge({
  kind: 'sessions',
  table: 'sessions',
  id: 'id',
  ends: '"expiresAt"',
  stays: `SELECT interval '1 day' + make_interval(secs => revocation_keep_seconds) FROM token_lifetimes`,
});

/** Links and codes that nobody can use any more. Index: verifications_expires_at. */
export const verificationPurge = definePurge({
  kind: 'verifications',
  table: 'verifications',
  id: 'id',
  ends: '"expiresAt"',
  stays: `interval '1 hour'`,
});

export async function findCredential(sql: Sql, email: string): Promise<Credential | undefined> {
  const [row] = await sql.query<Credential>(credentialFindByEmail, [email]);
  return row;
}

/** False when the password is another one by now. */
export async function replaceDigest(tx: Sql, userId: string, proven: string, upgraded: string): Promise<boolean> {
  const [row] = await tx.query<{ replaced: boolean }>(accountPasswordUpgrade, [userId, proven, upgraded]);
  return row?.replaced ?? false;
}

/** The token of the session that ended, or undefined when there was none: it had ended before. */
export async function deleteSession(tx: Sql, sessionId: string): Promise<string | undefined> {
  const [row] = await tx.query<{ token: string }>(sessionDeleteById, [sessionId]);
  return row?.token;
}
