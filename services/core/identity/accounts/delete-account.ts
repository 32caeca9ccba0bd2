import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { HasRevocationPush } from '#services/core/revocations/revocation-set.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';
import { assertAdminStays } from '../users/assert-admin-stays.ts';
import { deleteUserRow, lockAdminRole } from '../users/users.store.ts';
import { forgetSessions } from './forget-sessions.ts';

/**
 * Deletes the caller's account with all its data, sessions, token families and access tokens. Throws `unauthenticated`
 * (401) if the account or session no longer exists, `last_admin` (409).
 */
export async function deleteAccount(
  ports: Pick<Ports, 'transact'> & MailPorts & HasAuth & HasRevocationPush,
  _input: unknown,
  caller: Caller,
): Promise<{ readonly success: true }> {
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, 'account_deleted');
    await lockAdminRole(tx);
    const { userId, roles, email } = await lockOwnSession(tx, caller);
    await assertAdminStays(tx, { id: userId, roles, isDisabled: false });
    await forgetSessions(tx, ports, userId);
    await queueMail(tx, ports, { template: 'account_deleted', to: email }, caller);
    await deleteUserRow(tx, userId);
    tx.afterCommit(ports.announceRevocations);
  });
  return { success: true };
}
