import { unauthenticated } from '../../../platform/errors.ts';
import type { Caller, Tx } from '../../ports.ts';
import { readOwnSession } from '../factors/factors.store.ts';
import type { LiveOwnSession } from '../factors/own-session.ts';
import { lockUser } from './accounts.store.ts';
import { ownAccount } from './own-account.ts';

/**
 * Holds the caller's user until the end of the transaction and reads the session they act in under that lock: whatever
 * ended it since the request came in is seen. Throws `unauthenticated` (401) where it is over.
 */
export async function holdOwnSession(tx: Tx, caller: Caller): Promise<LiveOwnSession> {
  const { userId, sessionId } = ownAccount(caller);
  await lockUser(tx, userId);
  const session = sessionId === null ? undefined : await readOwnSession(tx, sessionId, userId);
  if (!session || sessionId === null) throw unauthenticated();
  return { ...session, userId, sessionId };
}
