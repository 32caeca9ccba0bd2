import { setAuditContext } from '../audit/audit-context.ts';
import type { Caller, Ports } from '../ports.ts';
import type { HasRevocationPush } from '../tokens/revocation-set.ts';
import type { HasAuth } from './auth.ts';
import { deleteSession } from './identity.store.ts';

/**
 * Ends a session, its families and its access tokens: row triggers write revocation and audit rows in this one
 * transaction. Redis is told after the commit and not relied on. Throws `store_unavailable` (503) when it could not
 * be recorded; what is then true is found by asking again.
 */
export async function endSession(
  ports: Pick<Ports, 'transact'> & HasAuth & HasRevocationPush,
  input: { readonly sessionId: string; readonly reason: string },
  caller: Caller,
): Promise<void> {
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason);
    const token = await deleteSession(tx, input.sessionId);
    tx.afterCommit(ports.announceRevocations);
    if (token !== undefined) tx.afterCommit(() => void ports.auth.forget(token));
  });
}
