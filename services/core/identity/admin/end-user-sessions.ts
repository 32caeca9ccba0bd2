import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller } from '#services/core/ports.ts';
import { userUnknown } from '#services/core/tokens/errors.ts';
import { endFamiliesOfUser } from '#services/core/tokens/refresh/end-family.ts';
import { deleteSessionsOf, lockUserRow } from '../users/users.store.ts';
import type { UserAct, UserPorts } from './act-on-user.ts';

/**
 * Ends every session, token family and token of a user, and answers with the number of sessions. Throws
 * `user_unknown` (404).
 */
export const endUserSessions = (
  ports: UserPorts,
  input: UserAct,
  caller: Caller,
): Promise<{ readonly sessions: number }> =>
  ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason);
    if ((await lockUserRow(tx, input.user_id)) === undefined) throw userUnknown();
    const sessions = await deleteSessionsOf(tx, input.user_id);
    await endFamiliesOfUser(tx, input.user_id, input.reason, caller);
    tx.afterCommit(ports.announceRevocations);
    return { sessions };
  });
