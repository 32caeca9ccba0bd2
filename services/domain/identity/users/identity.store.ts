import type { Sql } from '#services/domain/ports.ts';
import { definePurge } from '#services/domain/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

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
const credentialFindByEmail = defineStatement(
  'credentialFindByEmail',
  `SELECT u.id AS "userId", a.password AS digest, ${DEVICES_SINCE} AS "devicesSince",
     u."disabledAt" IS NOT NULL AS "isDisabled", u."emailVerified" IS NOT NULL AS "isVerified"
   FROM users u LEFT JOIN accounts a ON a."userId" = u.id AND a."providerId" = 'credential' AND a."accountId" = u.id
   WHERE u.email = $1`,
);

/** The function locks the account's row and signals to the row trigger that the password itself is unchanged. */
const accountPasswordUpgrade = defineStatement(
  'accountPasswordUpgrade',
  'SELECT account_password_upgrade($1, $2, $3) AS replaced',
);

/** The row triggers end the token families and write the revocation and the audit row in the same transaction. */
const sessionDeleteById = defineStatement('sessionDeleteById', `DELETE FROM sessions WHERE id = $1 RETURNING token`);

/**
 * Sessions that expired so long ago that none of their tokens can be live, so their row triggers write nothing. Index:
 * sessions_expires_at.
 */
export const sessionPurge = definePurge({
  kind: 'sessions',
  table: 'sessions',
  id: 'id',
  ends: '"expiresAt"',
  stays: `SELECT interval '1 day' + make_interval(secs => revocation_keep_seconds) FROM token_lifetimes`,
});

/** Expired links and codes. Index: verifications_expires_at. */
export const verificationPurge = definePurge({
  kind: 'verifications',
  table: 'verifications',
  id: 'id',
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

/** Ends a session and returns its token; undefined if it had already ended. */
export async function deleteSessionRow(tx: Sql, sessionId: string): Promise<string | undefined> {
  const [row] = await tx.query<{ token: string }>(sessionDeleteById, [sessionId]);
  return row?.token;
}
