import type { Tx } from '#services/core/ports.ts';
import type { EndSessionPorts } from './end-session.ts';
import type { RenewedSession } from './live-session.ts';
import { holdToken } from './renew-session.store.ts';

/**
 * Locks the live session that the same transaction renews, so that a sign-out waits and then ends the renewed session.
 * Returns null if it has ended. After the commit, this copy refuses the former cookie and notifies the others.
 * @param sent.token of the cookie that the request carried; null without a cookie of this session
 */
export async function holdForRenewal(
  tx: Tx,
  ports: EndSessionPorts,
  sent: { readonly id: string; readonly userId: string; readonly token: string | null },
): Promise<RenewedSession | null> {
  const held = await holdToken(tx, sent.id, sent.userId);
  if (held === undefined) return null;
  tx.afterCommit(ports.announceRevocations);
  tx.afterCommit(() => void ports.auth.forget(held));
  return { id: sent.id, token: sent.token ?? held };
}
