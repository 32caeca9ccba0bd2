import type { Sql, Tx } from '../ports.ts';
import { roleUnknown } from './errors.ts';
import { rightsOfRoles, shareRole } from './roles.store.ts';

/** Permissions of these roles together, from the database: the directory in memory may be one poll behind. */
export const rightsOf = (sql: Sql, roles: readonly string[]): Promise<string[]> => rightsOfRoles(sql, roles);

/** Locks a role until commit, so that it is neither deleted nor changed meanwhile. Throws `role_unknown` (404). */
export async function lockRoleForGrant(tx: Tx, role: string): Promise<void> {
  if (!(await shareRole(tx, role))) throw roleUnknown();
}

/** Locks the existing ones of these roles, in name order, and returns them. */
export async function lockKnownRoles(tx: Tx, roles: readonly string[]): Promise<string[]> {
  const locked: string[] = [];
  for (const role of [...roles].sort()) if (await shareRole(tx, role)) locked.push(role);
  return locked;
}
