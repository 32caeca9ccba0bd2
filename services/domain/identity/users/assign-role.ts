import { assertHolds } from '#services/domain/access/assert-holds.ts';
import { holdRole, rightsOf } from '#services/domain/access/role-rights.ts';
import type { Caller } from '#services/domain/ports.ts';
import type { AccountDetailView } from '../admin-contract.ts';
import { actOnUser, assertStays, type UserAct, type UserPorts } from './act-on-user.ts';
import { showUser } from './read-users.ts';
import { addUserRole, readSessionTokens, removeUserRole } from './users.store.ts';

/** Gives a role, by somebody who has its rights; it is in the next token. Throws `role_unknown` (404), and as every act. */
export async function grantRole(
  ports: UserPorts,
  input: UserAct & { readonly role: string },
  caller: Caller,
): Promise<AccountDetailView> {
  await actOnUser(
    ports,
    input,
    caller,
    async (tx, user) => {
      assertHolds(caller, await rightsOf(tx, [input.role]));
      await addUserRole(tx, user.id, input.role);
    },
    (tx) => holdRole(tx, input.role),
  );
  // A cached session still has the roles of before; nothing else of the user changes.
  const tokens = await readSessionTokens(ports.sql, input.userId);
  await Promise.all(tokens.map((token) => ports.auth?.forget(token)));
  return showUser(ports, input.userId);
}

/** Takes a role away: tokens and logins from before end. Throws `last_admin` (409), and as every act. */
export async function removeRole(
  ports: UserPorts,
  input: UserAct & { readonly role: string },
  caller: Caller,
): Promise<AccountDetailView> {
  await actOnUser(ports, { ...input, rule: 'role_removed' }, caller, async (tx, user) => {
    if (input.role === 'admin') await assertStays(tx, user);
    await removeUserRole(tx, user.id, input.role);
  });
  return showUser(ports, input.userId);
}
