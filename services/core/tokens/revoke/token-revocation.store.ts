import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

// A token that was revoked before keeps its first reason and epoch. A token that expired so long ago that no verifier
// accepts it needs no row; only the database's clock decides this. Index: revocations_kind_value; locks one totals row.
const tokenRevocationInsert = defineStatement(
  'tokenRevocationInsert',
  `WITH inserted AS (
     INSERT INTO revocations (kind, value, reason, user_id, client_id, expires_at)
     SELECT 'jti', $1, $2, $3, $4, coalesce(to_timestamp($5::float8), revocation_keep_until())
     WHERE NOT EXISTS (SELECT FROM revocations WHERE kind = 'jti' AND value = $1)
       AND coalesce(to_timestamp($5::float8) > clock_timestamp(), true)
     RETURNING 1
   ), counted AS (
     UPDATE token_totals SET revoked = revoked + 1 WHERE slot = abs(hashtext($1)) % 16 AND EXISTS (SELECT FROM inserted)
   )
   SELECT coalesce(to_timestamp($5::float8) > clock_timestamp(), true) AS is_live`,
);
// Index: revocations_kind_value. Runs after the commit, because a deferred trigger sets the epoch at commit.
const revocationEpochRead = defineStatement(
  'revocationEpochRead',
  `SELECT epoch FROM revocations WHERE kind = $1 AND value = $2 ORDER BY id DESC LIMIT 1`,
);
// Uses the primary key. The trigger ends the families in id order and writes the revocation and the audit row.
const sessionDelete = defineStatement('tokenSessionDelete', `DELETE FROM sessions WHERE id = $1 RETURNING 1`);
// Every writer locks in the order user, sessions, families.
const userLock = defineStatement(
  'tokenUserLock',
  `SELECT user_sessions_lock(id) FROM (SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE) locked`,
);
const userSessionsDelete = defineStatement('tokenUserSessionsDelete', `DELETE FROM sessions WHERE "userId" = $1`);
const sessionOwnerRead = defineStatement(
  'tokenSessionOwnerRead',
  `SELECT "userId" AS user_id FROM sessions WHERE id = $1`,
);
const familyOwnerRead = defineStatement(
  'tokenFamilyOwnerRead',
  `SELECT user_id, client_id FROM refresh_families WHERE id = $1::uuid`,
);

type TokenRevocation = {
  readonly tokenId: string;
  readonly reason: string;
  readonly userId: string | null;
  readonly clientId: string | null;
  /** Unix seconds after which no verifier accepts the token; null: as long as any token lives. */
  readonly expiresAt: number | null;
};

/** False when the token expired so long ago that no verifier accepts it; nothing is written then. */
export async function insertTokenRevocation(tx: Sql, revocation: TokenRevocation): Promise<boolean> {
  const { tokenId, reason, userId, clientId, expiresAt } = revocation;
  const values = [tokenId, reason, userId, clientId, expiresAt];
  const [row] = await tx.query<{ is_live: boolean }>(tokenRevocationInsert, values);
  return row!.is_live;
}

/** The epoch of the newest revocation of this kind and value; undefined when there is none. */
export async function readRevocationEpoch(sql: Sql, kind: string, value: string): Promise<number | undefined> {
  const [row] = await sql.query<{ epoch: number }>(revocationEpochRead, [kind, value]);
  return row?.epoch;
}

/** Ends a browser session. False when it does not exist. */
export async function deleteSession(tx: Sql, sessionId: string): Promise<boolean> {
  return (await tx.query(sessionDelete, [sessionId])).length === 1;
}

export async function readSessionOwner(sql: Sql, sessionId: string): Promise<string | null> {
  const [row] = await sql.query<{ user_id: string }>(sessionOwnerRead, [sessionId]);
  return row?.user_id ?? null;
}

export type FamilyOwner = { readonly user_id: string; readonly client_id: string };

export async function readFamilyOwner(sql: Sql, familyId: string): Promise<FamilyOwner | null> {
  const [row] = await sql.query<FamilyOwner>(familyOwnerRead, [familyId]);
  return row ?? null;
}

/** Ends every browser session of a user, each with its revocation and audit row (by trigger). */
export async function deleteUserSessions(tx: Sql, userId: string): Promise<void> {
  await tx.query(userLock, [userId]);
  await tx.query(userSessionsDelete, [userId]);
}
