import { sessionsEnded } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { type EndSessionPorts, endSessionIn } from './end-session.ts';
import type { LiveSession } from './live-session.ts';
import { deleteSessions, holdSessions, readOldestUsed } from './sessions.store.ts';

export type HasSessionLimit = {
  /** Live sessions that an account may have; 0: as many as it likes. */
  readonly sessionsPerAccount: number;
};

/** Where the limit was lowered, the rest goes with the sign-ins that follow: none takes long. */
const AT_ONCE = 100;

type Arrival = {
  readonly userId: string;
  /** Of the browser that signs in: it ends as the new one begins. */
  readonly replaced: LiveSession | null;
  /** The new one, where it is there already. */
  readonly openedId?: string;
  /** Of the sign-in, which stays in the audit context. */
  readonly reason: string;
};

/**
 * Ends what a new session takes the place of: the browser's own, and of an account that has as many as it may those
 * that were not used for longest, with their logins and tokens. The caller holds the user, so sign-ins at once count
 * each other, and has recognised them: whoever is refused ends nobody's session.
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
    await holdSessions(tx, [...over, ...own]);
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
