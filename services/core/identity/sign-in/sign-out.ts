import { sessionsEnded } from '#observability/metrics/identity.ts';
import { userOf } from '#services/core/authority/callers.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { HasRevocationPush } from '#services/core/revocations/revocation-set.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { endSession } from '../sessions/end-session.ts';

/**
 * Ends the caller's session. Returns only after the end of session, token families and access tokens is committed.
 * @throws storeUnavailable (503) if it could not be recorded; unauthenticated (401) without a session
 */
export async function signOut(
  ports: Pick<Ports, 'transact'> & HasAuth & HasRevocationPush,
  _input: unknown,
  caller: Caller,
): Promise<{ readonly success: true }> {
  const sessionId = userOf(caller)?.sessionId ?? null;
  if (sessionId === null) throw unauthenticated();
  try {
    await endSession(ports, { sessionId, reason: 'sign_out' }, caller);
  } catch (err) {
    sessionsEnded.add(1, { outcome: 'unavailable' });
    throw err;
  }
  sessionsEnded.add(1, { outcome: 'sign_out' });
  return { success: true };
}
