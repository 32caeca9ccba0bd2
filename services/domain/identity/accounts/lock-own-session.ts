import type { Caller, Tx } from '#services/domain/ports.ts';
import { type LiveOwnSession, ownSession } from '../factors/own-session.ts';
import { lockUser } from './accounts.store.ts';
import { ownAccount } from './own-account.ts';

/**
 * Holds the caller's user until the end of the transaction and reads the session they act in under that lock: whatever
 * ended it since the request came in is seen. Throws `unauthenticated` (401) where it is over.
 */
export async function lockOwnSession(tx: Tx, caller: Caller): Promise<LiveOwnSession> {
  await lockUser(tx, ownAccount(caller).userId);
  return ownSession({ sql: tx }, caller);
}
