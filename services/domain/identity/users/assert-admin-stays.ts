import type { Tx } from '#services/domain/ports.ts';
import { lastAdmin } from '../errors.ts';
import { hasOtherAdmin } from './users.store.ts';

/**
 * An installation without an administrator cannot get one back. Call it with the role `admin` and then the user locked
 * (`lockAdminRole`): when two administrators leave concurrently, the second sees that the first has left. Throws
 * `last_admin` (409).
 */
export async function assertAdminStays(
  tx: Tx,
  user: { readonly id: string; readonly roles: readonly string[]; readonly isDisabled: boolean },
): Promise<void> {
  if (user.isDisabled || !user.roles.includes('admin')) return;
  if (!(await hasOtherAdmin(tx, user.id))) throw lastAdmin();
}
