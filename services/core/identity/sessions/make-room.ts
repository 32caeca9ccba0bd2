import { sessionsEnded } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { type EndSessionPorts, endSessionIn } from './end-session.ts';
import { holdForRenewal } from './hold-for-renewal.ts';
import type { LiveSession, RenewedSession } from './live-session.ts';
import { deleteSessions, lockSessions, readOldestUsed } from './sessions.store.ts';

export type HasSessionLimit = {
  /** Maximum of live sessions for one account; 0: unlimited. */
  readonly sessionsPerAccount: number;
};

/** Maximum of sessions that one sign-in ends: if the limit was lowered, several sign-ins share the work. */
const AT_ONCE = 100;

type Arrival = {
  readonly userId: string;
  /** The session of the browser that signs in. */
  readonly former: LiveSession | null;
  /** Reason of the sign-in; the audit context gets it back after the sessions have ended. */
  readonly reason: string;
};

/**
 * Returns the session that a sign-in renews, locked: that of its browser, if it is the same user's and no sign-out was
 * faster; otherwise null, for a new session. Ends the sessions that must go, with their token families and tokens:
 * another user's in this browser and, if the account has reached its limit, those unused for longest. The caller has
 * identified the user, rolls back a refused sign-in, which must end no session, and has locked the user, so that
 * concurrent sign-ins see each other's sessions.
 */
export async function makeRoom(
  tx: Tx,
  ports: EndSessionPorts & HasSessionLimit,
  { userId, former, reason }: Arrival,
  caller: Caller,
): Promise<RenewedSession | null> {
  const own = former === null ? [] : [former.session.id];
  const limit = ports.sessionsPerAccount;
  const over = limit === 0 ? [] : await readOldestUsed(tx, userId, { except: own, kept: limit - 1, atOnce: AT_ONCE });
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
  if (former === null) return null;
  const { id, token } = former.session;
  if (former.user.id === userId) return holdForRenewal(tx, ports, { id, userId, token });
  await endSessionIn(tx, ports, id);
  return null;
}
