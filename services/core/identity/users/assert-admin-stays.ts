import type { Sql, Tx } from '#services/core/ports.ts';
import { lastAdmin } from '../contracts/sign-in-errors.ts';
import { hasOtherAdmin, lockAdminRole, readActiveAdminIds } from './users.store.ts';

/**
 * Keeps one administrator, because an installation without one cannot get one back. The caller has locked the role
 * `admin` (`lockAdminRole`) and then the user, so that of two concurrent removals the second sees the first. Throws
 * `last_admin` (409).
 */
export async function assertAdminStays(
  tx: Tx,
  user: { readonly id: string; readonly roles: readonly string[]; readonly isDisabled: boolean },
): Promise<void> {
  if (user.isDisabled || !user.roles.includes('admin')) return;
  if (!(await hasOtherAdmin(tx, user.id))) throw lastAdmin();
}

/**
 * Ids of the administrators who are not disabled.
 * @param locks whether no other act removes one before the transaction ends; take this lock before those of users
 */
export async function readActiveAdmins(sql: Sql, locks: boolean): Promise<ReadonlySet<string>> {
  if (locks) await lockAdminRole(sql);
  return new Set(await readActiveAdminIds(sql));
}
