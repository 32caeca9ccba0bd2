import type { Sql, Tx } from '#services/domain/ports.ts';
import { definePurge } from '#services/domain/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type Invitation = {
  /** Of the mail that carries it. */
  readonly id: string;
  readonly userId: string;
  /** Granted when it is accepted, and by nothing else. */
  readonly roles: readonly string[];
  /** Null: the account has its password, and its roles, already; the invitation stays until its address is proved. */
  readonly lifeSeconds: number | null;
};

const invitationInsert = defineStatement(
  'invitationInsert',
  `INSERT INTO invitations (id, user_id, roles, expires_at)
   VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4::float8))`,
);

const invitationRead = defineStatement('invitationRead', 'SELECT id, roles FROM invitations WHERE user_id = $1');

const invitationsDelete = defineStatement(
  'invitationsDelete',
  'DELETE FROM invitations WHERE user_id = $1 RETURNING roles',
);

/** The row trigger ends what was issued with each. */
const grantedRolesDelete = defineStatement(
  'grantedRolesDelete',
  `DELETE FROM user_roles WHERE user_id = $1 AND role <> 'user'`,
);

export const insertInvitation = (tx: Tx, { id, userId, roles, lifeSeconds }: Invitation): Promise<unknown> =>
  tx.query(invitationInsert, [id, userId, roles, lifeSeconds]);

/** The one that counts. */
export const readInvitation = async (sql: Sql, userId: string): Promise<Pick<Invitation, 'id' | 'roles'> | undefined> =>
  (await sql.query<Pick<Invitation, 'id' | 'roles'>>(invitationRead, [userId]))[0];

/** Uses the invitation up; the user is locked. Its roles, or undefined where there is none. */
export const takeInvitation = async (tx: Tx, userId: string): Promise<readonly string[] | undefined> =>
  (await tx.query<{ roles: string[] }>(invitationsDelete, [userId]))[0]?.roles;

/**
 * The invitation of an account whose address is proved by something else: it ends, and so does every role that the
 * account was given for somebody who never came. The user is locked.
 */
export async function voidInvitation(tx: Tx, userId: string): Promise<void> {
  if (await takeInvitation(tx, userId)) await tx.query(grantedRolesDelete, [userId]);
}

/**
 * Invitations a month after their code, and with them the accounts that wait for nobody: never proved, never signed in
 * to, without a way to. Those that were disabled stay. A user whom somebody works on at this moment stays too, so that
 * nothing waits here while it holds an invitation. One whose user holds a role stays: by it whoever proves the address
 * by other means gets none (`voidInvitation`). Index: invitations_expires_at.
 */
export const invitationPurge = definePurge({
  kind: 'invitations',
  table: 'invitations',
  id: 'id',
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
