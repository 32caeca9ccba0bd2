import { rightsOf } from '#services/core/access/role-rights.ts';
import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { EndRule } from '#services/core/audit/end-rule-shapes.ts';
import { assertHolds } from '#services/core/authority/callers.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import type { HasRevocationPush } from '#services/core/revocations/revocation-set.ts';
import { userUnknown } from '#services/core/tokens/errors.ts';
import type { AccountView } from '../contracts/admin-contract.ts';
import type { Auth } from '../sessions/auth.ts';
import { assertAdminStays } from '../users/assert-admin-stays.ts';
import { lockAdminRole, lockUserRow } from '../users/users.store.ts';
import type { ShowUserPorts } from './read-users.ts';

/** `auth` is absent in the command line, which caches no sessions. */
export type UserPorts = Pick<Ports, 'transact'> &
  ShowUserPorts &
  HasRevocationPush & { readonly auth?: Pick<Auth, 'forget'> };
export type UserAct = { readonly user_id: string; readonly reason: string };
/** `rule`: the rule by which the act ends sessions. */
type RuledAct = UserAct & { readonly rule?: EndRule };

/** Of acts that cannot remove the last administrator. */
export const lockNothing = async (): Promise<void> => {};

/**
 * Runs an administrator's act on an account. The caller must have every right of the user. Locks role, user, sessions
 * and families, in this order. Throws `user_unknown` (404), `rights_exceeded` (403).
 */
export async function actOnUser(
  ports: UserPorts,
  { user_id: userId, reason, rule }: RuledAct,
  caller: Caller,
  work: (tx: Tx, user: AccountView) => Promise<unknown>,
  lockFirst: (tx: Tx) => Promise<void> = lockAdminRole,
): Promise<void> {
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason, rule);
    await lockFirst(tx);
    const user = await lockUserRow(tx, userId);
    if (user === undefined) throw userUnknown();
    assertHolds(caller, await rightsOf(tx, user.roles));
    await work(tx, user);
    tx.afterCommit(ports.announceRevocations);
  });
}

/** Throws `last_admin` (409). */
export const assertStays = (tx: Tx, { id, roles, disabled_at: disabledAt }: AccountView): Promise<void> =>
  assertAdminStays(tx, { id, roles, isDisabled: disabledAt !== null });
