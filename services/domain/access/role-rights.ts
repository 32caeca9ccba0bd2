import type { Sql, Tx } from '../ports.ts';
import { roleUnknown } from './errors.ts';
import { rightsOfRoles, shareRole } from './roles.store.ts';

/** What these roles give together, as committed: memory may be a poll behind. */
export const rightsOf = (sql: Sql, roles: readonly string[]): Promise<string[]> => rightsOfRoles(sql, roles);

/** Holds a role until commit, so that it neither goes nor changes meanwhile. Throws `role_unknown` (404). */
export async function holdRole(tx: Tx, role: string): Promise<void> {
  if (!(await shareRole(tx, role))) throw roleUnknown();
}

/** The same of those there are, in the order of their names; the others are left out. */
export async function holdKnownRoles(tx: Tx, roles: readonly string[]): Promise<string[]> {
  const held: string[] = [];
  for (const role of [...roles].sort()) if (await shareRole(tx, role)) held.push(role);
  return held;
}
