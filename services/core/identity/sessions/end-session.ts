import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import type { HasRevocationPush } from '#services/core/revocations/revocation-set.ts';
import type { Auth } from './auth.ts';
import { deleteSessionRow } from './sessions.store.ts';

export type EndSessionPorts = { readonly auth: Pick<Auth, 'forget'> } & HasRevocationPush;

/**
 * Ends a session in the caller's transaction; the row triggers end its token families and write the revocation and the
 * audit row.
 */
export async function endSessionIn(tx: Tx, ports: EndSessionPorts, sessionId: string): Promise<void> {
  const token = await deleteSessionRow(tx, sessionId);
  tx.afterCommit(ports.announceRevocations);
  if (token !== undefined) tx.afterCommit(() => void ports.auth.forget(token));
}

/**
 * Ends a session with its token families and access tokens in one transaction. Redis is notified after the commit and
 * not relied on. Throws `store_unavailable` (503) if the end could not be recorded; a retry finds the actual state.
 */
export async function endSession(
  ports: Pick<Ports, 'transact'> & EndSessionPorts,
  input: { readonly sessionId: string; readonly reason: string },
  caller: Caller,
): Promise<void> {
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason);
    await endSessionIn(tx, ports, input.sessionId);
  });
}
