import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import type { Caller, Ports, Tx } from '#services/domain/ports.ts';
import type { HasRevocationPush } from '#services/domain/tokens/revocations/revocation-set.ts';
import type { Auth } from '../better-auth/auth.ts';
import { deleteSession } from '../identity.store.ts';

export type EndSessionPorts = { readonly auth: Pick<Auth, 'forget'> } & HasRevocationPush;

/** Ends a session in the caller's transaction; the row triggers end its families and write revocation and audit row. */
export async function endSessionIn(tx: Tx, ports: EndSessionPorts, sessionId: string): Promise<void> {
  const token = await deleteSession(tx, sessionId);
  tx.afterCommit(ports.announceRevocations);
  if (token !== undefined) tx.afterCommit(() => void ports.auth.forget(token));
}

/**
 * Ends a session, its families and its access tokens in one transaction. Redis is told after the commit and not
 * relied on. Throws `store_unavailable` (503) when it could not be recorded; asking again finds out what is true.
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
