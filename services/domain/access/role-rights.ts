import type { Sql, Tx } from '../ports.ts';
import { roleUnknown } from './errors.ts';
import { rightsOfRoles, shareRole } from './roles.store.ts';

/** What these roles give together, as committed: memory may be a poll behind. */
export const rightsOf = (sql: Sql, roles: readonly string[]): Promise<string[]> => rightsOfRoles(sql, roles);

/** Holds a role until commit, so that it neither goes nor changes meanwhile. Throws `role_unknown` (404). */
export async function holdRole(tx: Tx, role: string): Promise<void> {
  if (!(await shareRole(tx, role))) throw roleUnknown();
}
