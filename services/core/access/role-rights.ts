import { assertHolds } from '../authority/callers.ts';
import type { Caller, Sql, Tx } from '../ports.ts';
import { heldToGrant, isApplicationRole } from './application-rights.ts';
import { roleUnknown } from './errors.ts';
import { rightsOfRoles, shareRole } from './roles.store.ts';

/**
 * The installation's permissions of these roles together, from the database: the directory in memory may be one poll
 * behind. Who manages a user needs these; a role of an application protects its user from no administrator.
 */
export const rightsOf = (sql: Sql, roles: readonly string[]): Promise<string[]> =>
  rightsOfRoles(
    sql,
    roles.filter((role) => !isApplicationRole(role)),
  );

/** What a caller must hold to grant these roles. */
export const rightsToGrant = async (sql: Sql, roles: readonly string[]): Promise<string[]> =>
  heldToGrant(roles, await rightsOf(sql, roles));

/** Throws `rights_exceeded` (403) unless the caller holds every right that granting these roles needs. */
export async function assertMayGrant(sql: Sql, roles: readonly string[], caller: Caller): Promise<void> {
  assertHolds(caller, await rightsToGrant(sql, roles));
}

/** Locks a role until commit, so that it is neither deleted nor changed meanwhile. Throws `role_unknown` (404). */
export async function lockRoleForGrant(tx: Tx, role: string): Promise<void> {
  if (!(await shareRole(tx, role))) throw roleUnknown();
}

/** Locks the existing ones of these roles, in name order, and returns them. */
export async function lockKnownRoles(tx: Sql, roles: readonly string[]): Promise<string[]> {
  const locked: string[] = [];
  for (const role of [...roles].sort()) if (await shareRole(tx, role)) locked.push(role);
  return locked;
}
