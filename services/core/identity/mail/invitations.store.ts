import type { Sql, Tx } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type Invitation = {
  /** Id of the mail that carries the invitation. */
  readonly id: string;
  readonly userId: string;
  /** Granted only when the invitation is accepted. */
  readonly roles: readonly string[];
  /** Null: the account already has its password and roles, and the invitation stays until the address is verified. */
  readonly lifeSeconds: number | null;
};

const invitationInsert = defineStatement('invitationInsert')`
  INSERT INTO invitations (id, user_id, roles, expires_at)
  VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4::float8))`;

const invitationRead = defineStatement('invitationRead', 'SELECT id, roles FROM invitations WHERE user_id = $1');

const invitationsDelete = defineStatement('invitationsDelete')`
  DELETE FROM invitations WHERE user_id = $1 RETURNING roles`;

/** The row trigger ends the sessions and tokens issued with each role. */
const grantedRolesDelete = defineStatement('grantedRolesDelete')`
  DELETE FROM user_roles WHERE user_id = $1 AND role <> 'user'`;

export const insertInvitation = (tx: Tx, { id, userId, roles, lifeSeconds }: Invitation): Promise<unknown> =>
  tx.query(invitationInsert, [id, userId, roles, lifeSeconds]);

/** Returns the valid invitation of a user. */
export const readInvitation = async (sql: Sql, userId: string): Promise<Pick<Invitation, 'id' | 'roles'> | undefined> =>
  (await sql.query<Pick<Invitation, 'id' | 'roles'>>(invitationRead, [userId]))[0];

/** Deletes the invitation; the caller has locked the user. Returns its roles, or undefined if there is none. */
export const takeInvitation = async (tx: Tx, userId: string): Promise<readonly string[] | undefined> =>
  (await tx.query<{ roles: string[] }>(invitationsDelete, [userId]))[0]?.roles;

/**
 * Deletes the invitation of an account whose address was verified by other means, and removes every role that the
 * account was granted for the invited person. The caller has locked the user.
 */
export async function voidInvitation(tx: Tx, userId: string): Promise<void> {
  if (await takeInvitation(tx, userId)) await tx.query(grantedRolesDelete, [userId]);
}

/**
 * Purges invitations a month after their code expired, with accounts that were never used: unverified, without a
 * sign-in and without a sign-in method. Disabled accounts are kept. Users locked by another transaction are skipped, so
 * that the purge never waits while it locks an invitation. Invitations of users with a granted role are kept:
 * `voidInvitation` needs them if a person verifies the address by other means, who must get none of the roles. Index:
 * invitations_expires_at.
 */
export const invitationPurge = definePurge({
  table: 'invitations',
  ends: 'expires_at',
  stays: `interval '30 days'`,
  where: `NOT EXISTS (SELECT FROM user_roles r WHERE r.user_id = invitations.user_id AND r.role <> 'user')`,
  also: `, abandoned AS MATERIALIZED (
       SELECT u.id FROM users u WHERE u.id IN (SELECT user_id FROM gone) AND u."emailVerified" IS NULL
         AND u."lastLoginAt" IS NULL AND u."disabledAt" IS NULL
         AND NOT EXISTS (SELECT FROM accounts a WHERE a."userId" = u.id)
       ORDER BY u.id FOR UPDATE SKIP LOCKED
     ), removed AS (DELETE FROM users u USING abandoned WHERE u.id = abandoned.id)`,
});
