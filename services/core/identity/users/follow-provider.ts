import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { userProfileChanged } from '../audit-events.ts';
import { lockUser, writeProfile } from './accounts.store.ts';
import { disableUserRow, hasOtherAdmin, lockAdminRole, lockUserRow } from './users.store.ts';

/** Changes name and picture to those of another provider; a member that is absent stays. Cached sessions follow in minutes. */
export async function followProfile(
  tx: Tx,
  userId: string,
  change: { readonly name?: string | null; readonly image?: string | null },
  caller: Caller,
): Promise<void> {
  const fields = (['name', 'image'] as const).filter((field) => change[field] !== undefined);
  if (fields.length === 0) return;
  await setAuditContext(tx, caller, 'profile_changed');
  await lockUser(tx, userId);
  await writeProfile(tx, userId, change);
  await recordEvent(tx, caller, userProfileChanged, { target: { kind: 'user', id: userId }, detail: { fields } });
}

/**
 * Disables an account that was deleted at another provider, which ends its sessions, token families and tokens. Its data
 * stays until an administrator deletes it. False for the last administrator, who stays.
 */
export async function disableFollowing(tx: Tx, userId: string, caller: Caller): Promise<boolean> {
  await setAuditContext(tx, caller, 'deleted_at_old_provider', 'user_disabled');
  await lockAdminRole(tx);
  const user = await lockUserRow(tx, userId);
  if (user?.disabled_at !== null) return true;
  if (user.roles.includes('admin') && !(await hasOtherAdmin(tx, userId))) return false;
  await disableUserRow(tx, userId);
  return true;
}
