import { ownAccount } from '#services/core/authority/own-account.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { assertOwnFactor } from '#services/core/shared/assert-own-factor.ts';
import { lockUser } from '../users/accounts.store.ts';
import { type LiveOwnSession, ownSession } from './own-session.ts';

/**
 * Locks the caller's user until the end of the transaction, then reads the caller's session again, because another
 * request may have ended it since this one arrived. Everything that changes how the account is signed in to begins so.
 * @throws unauthenticated (401) if the session has ended, stepUpRequired (403) if the account has a second factor that it
 *   lacks
 */
export async function lockOwnSession(tx: Tx, caller: Caller): Promise<LiveOwnSession> {
  await lockUser(tx, ownAccount(caller).userId);
  const session = await ownSession({ sql: tx }, caller);
  await assertOwnFactor(tx, caller);
  return session;
}
