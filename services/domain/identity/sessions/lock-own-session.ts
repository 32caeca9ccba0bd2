import { ownAccount } from '#services/domain/authority/own-account.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { lockUser } from '../users/accounts.store.ts';
import { type LiveOwnSession, ownSession } from './own-session.ts';

/**
 * Locks the caller's user until the end of the transaction, then reads the caller's session again, because another
 * request may have ended it since this one arrived. Throws `unauthenticated` (401) if the session has ended.
 */
export async function lockOwnSession(tx: Tx, caller: Caller): Promise<LiveOwnSession> {
  await lockUser(tx, ownAccount(caller).userId);
  return ownSession({ sql: tx }, caller);
}
