import type { Caller } from '#services/core/ports.ts';
import type { AccountDetailView } from '../contracts/admin-contract.ts';
import { deleteUserRow, disableUserRow, enableUserRow } from '../users/users.store.ts';
import { actOnUser, assertStays, type UserAct, type UserPorts } from './act-on-user.ts';
import { showUser } from './read-users.ts';

/**
 * Disables an account and ends its sessions, token families and tokens. Throws `last_admin` (409), and the errors of
 * `actOnUser`.
 */
export async function disableUser(ports: UserPorts, input: UserAct, caller: Caller): Promise<AccountDetailView> {
  await actOnUser(ports, { ...input, rule: 'user_disabled' }, caller, async (tx, user) => {
    await assertStays(tx, user);
    await disableUserRow(tx, user.id);
  });
  return showUser(ports, input);
}

/** Enables a disabled account; ended sessions stay ended. */
export async function enableUser(ports: UserPorts, input: UserAct, caller: Caller): Promise<AccountDetailView> {
  await actOnUser(ports, input, caller, (tx, user) => enableUserRow(tx, user.id));
  return showUser(ports, input);
}

/** Deletes an account with all its data. Throws `last_admin` (409), and the errors of `actOnUser`. */
export const deleteUser = (ports: UserPorts, input: UserAct, caller: Caller): Promise<void> =>
  actOnUser(ports, input, caller, async (tx, user) => {
    await assertStays(tx, user);
    await deleteUserRow(tx, user.id);
  });
