import type { Ports } from '#services/core/ports.ts';
import { isTwoFactors } from '../users/assurance.ts';
import type { AuthSession } from './live-session.ts';
import { readSessionUse, useSession } from './sessions.store.ts';

/** Session lifetimes (NIST SP 800-63B-4 §2.1.3, §2.2.3). */
export type SessionLife = {
  /** Lifetime from the sign-in. */
  readonly sessionSeconds: number;
  /** Lifetime after a two-factor sign-in. */
  readonly twoFactorSeconds: number;
  /** Idle limit of a two-factor session; 0: none. */
  readonly twoFactorIdleSeconds: number;
};

/** Within the idle limit, at most this many uses are written, so that reading a session rarely writes. */
const USES_WRITTEN = 6;

/** Returns the expiry of a session that would otherwise expire at `expiresAt`. */
export const lifeOf = (
  { twoFactorSeconds }: Pick<SessionLife, 'twoFactorSeconds'>,
  { acr, expiresAt, nowMs }: { readonly acr: string; readonly expiresAt: Date; readonly nowMs: number },
): Date => (isTwoFactors(acr) ? new Date(Math.min(expiresAt.getTime(), nowMs + twoFactorSeconds * 1_000)) : expiresAt);

/**
 * Returns the last use of a session whose cookie was just received (now, with `isUse`); null if the session exceeded
 * its idle limit. Postgres decides, because the cached copy may not know the last use; if Postgres is unreachable, the
 * cached copy decides.
 */
export async function usedSession(
  { sql, clock }: Pick<Ports, 'sql' | 'clock'>,
  { twoFactorIdleSeconds: idle }: Pick<SessionLife, 'twoFactorIdleSeconds'>,
  { id, acr, updatedAt }: Pick<AuthSession, 'id' | 'acr' | 'updatedAt'>,
  isUse: boolean,
): Promise<Date | null> {
  const idleSeconds = (clock.now() - updatedAt.getTime()) / 1_000;
  if (idle === 0 || !isTwoFactors(acr) || idleSeconds < idle / USES_WRITTEN) return updatedAt;
  try {
    return await (isUse ? useSession : readSessionUse)(sql, id, idle);
  } catch {
    return idleSeconds < idle ? updatedAt : null;
  }
}
