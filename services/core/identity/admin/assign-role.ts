import { heldToGrant } from '#services/core/access/application-rights.ts';
import { roleSelfGrant } from '#services/core/access/errors.ts';
import { lockRoleForGrant, rightsToGrant } from '#services/core/access/role-rights.ts';
import { assertHolds } from '#services/core/authority/callers.ts';
import type { Caller } from '#services/core/ports.ts';
import type { AccountDetailView } from '../contracts/admin-contract.ts';
import { addUserRole, isOwnSignOffRole, readSessionTokens, removeUserRole } from '../users/users.store.ts';
import { actOnUser, assertStays, type UserAct, type UserPorts } from './act-on-user.ts';
import { showUser } from './read-users.ts';

/**
 * Grants a role whose rights the caller has; the next token carries it. Throws `role_self_grant` (403) for a role of
 * sign-off that the caller, or a client that the caller controls, would get, `role_unknown` (404), and the errors of
 * `actOnUser`.
 */
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
      assertHolds(caller, await rightsToGrant(tx, [input.role]));
      if (await isOwnSignOffRole(tx, user.id, input.role)) throw roleSelfGrant();
      await addUserRole(tx, user.id, input.role);
    },
    (tx) => lockRoleForGrant(tx, input.role),
  );
  // Cached sessions have the previous roles, so they are dropped; nothing else about the user changes.
  const tokens = await readSessionTokens(ports.sql, input.user_id);
  await Promise.all(tokens.map((token) => ports.auth?.forget(token)));
  return showUser(ports, input);
}

/**
 * Removes a role and ends the tokens and token families issued with it. Throws `last_admin` (409), and the errors of
 * `actOnUser`.
 */
export async function removeRole(
  ports: UserPorts,
  input: UserAct & { readonly role: string },
  caller: Caller,
): Promise<AccountDetailView> {
  await actOnUser(ports, { ...input, rule: 'role_removed' }, caller, async (tx, user) => {
    assertHolds(caller, heldToGrant([input.role], []));
    if (input.role === 'admin') await assertStays(tx, user);
    await removeUserRole(tx, user.id, input.role);
  });
  return showUser(ports, input);
}
