import { ownAccount } from '#services/core/authority/own-account.ts';
import type { Caller, Sql } from '#services/core/ports.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import type { Assurance } from '../users/assurance.ts';
import { assuranceOfSession } from './session-assurance.ts';
import { type OwnSession, readOwnSession } from './sessions.store.ts';

export type LiveOwnSession = OwnSession & {
  readonly userId: string;
  readonly sessionId: string;
  readonly assurance: Assurance;
};

/**
 * Returns the caller's live session, by cookie or by a token of the first-party client. Throws `unauthenticated` (401)
 * if it has ended or there is none, `permission_missing` (403) for another client.
 */
export async function ownSession({ sql }: { readonly sql: Sql }, caller: Caller): Promise<LiveOwnSession> {
  const { userId, sessionId } = ownAccount(caller);
  if (sessionId === null) throw unauthenticated();
  const session = await readOwnSession(sql, sessionId, userId);
  if (!session) throw unauthenticated();
  return { ...session, userId, sessionId, assurance: assuranceOfSession(session) };
}
