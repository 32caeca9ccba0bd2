import { sessionsEnded } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { type EndSessionPorts, endSessionIn } from './end-session.ts';
import type { LiveSession } from './live-session.ts';
import { deleteSessions, lockSessions, readOldestUsed } from './sessions.store.ts';

export type HasSessionLimit = {
  /** Maximum of live sessions for one account; 0: unlimited. */
  readonly sessionsPerAccount: number;
};

/** Maximum of sessions that one sign-in ends: if the limit was lowered, several sign-ins share the work. */
const AT_ONCE = 100;

type Arrival = {
  readonly userId: string;
  /** The session of the browser that signs in; it ends when the new one begins. */
  readonly replaced: LiveSession | null;
  /** The new session, if it is already open. */
  readonly openedId?: string;
  /** Reason of the sign-in; the audit context gets it back after the sessions have ended. */
  readonly reason: string;
};

/**
 * Ends the sessions that a new one replaces, with their token families and tokens: the browser's previous session and,
 * if the account has reached its limit, the sessions unused for longest. The caller has authenticated the user, because
 * a refused sign-in must end no session, and has locked the user, so that concurrent sign-ins see each other's
 * sessions.
 */
export async function makeRoom(
  tx: Tx,
  ports: EndSessionPorts & HasSessionLimit,
  { userId, replaced, openedId, reason }: Arrival,
  caller: Caller,
): Promise<void> {
  const own = replaced === null ? [] : [replaced.session.id];
  const limit = ports.sessionsPerAccount;
  const except = openedId === undefined ? own : [...own, openedId];
  const over = limit === 0 ? [] : await readOldestUsed(tx, userId, { except, kept: limit - 1, atOnce: AT_ONCE });
  if (over.length > 0) {
    await lockSessions(tx, [...over, ...own]);
    await setAuditContext(tx, caller, 'session_limit');
    const tokens = await deleteSessions(tx, over);
    tx.afterCommit(() => {
      sessionsEnded.add(tokens.length, { outcome: 'limit' });
      ports.announceRevocations();
      for (const token of tokens) void ports.auth.forget(token);
    });
    await setAuditContext(tx, caller, reason);
  }
  for (const sessionId of own) await endSessionIn(tx, ports, sessionId);
}
