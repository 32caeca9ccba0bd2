import type { Ports } from '#services/domain/ports.ts';
import { isTwoFactors } from '../assurance.ts';
import type { AuthSession } from './live-session.ts';
import { readSessionUse, useSession } from './sessions.store.ts';

/** How long sessions live (NIST SP 800-63B-4 §2.1.3, §2.2.3). */
export type SessionLife = {
  /** From the login to the end. */
  readonly sessionSeconds: number;
  /** The same where two factors proved it. */
  readonly twoFactorSeconds: number;
  /** Such a session is over when its cookie was not used for so long; 0: never. */
  readonly twoFactorIdleSeconds: number;
};

/** A use is written down this often within the time a session may rest, so that reading one seldom writes. */
const USES_WRITTEN = 6;

/** When a session ends that would end at `expiresAt`. */
export const lifeOf = (
  { twoFactorSeconds }: Pick<SessionLife, 'twoFactorSeconds'>,
  { acr, expiresAt, nowMs }: { readonly acr: string; readonly expiresAt: Date; readonly nowMs: number },
): Date => (isTwoFactors(acr) ? new Date(Math.min(expiresAt.getTime(), nowMs + twoFactorSeconds * 1_000)) : expiresAt);

/**
 * The time of the last use of a session whose cookie has just come, or null where it has rested too long; with `isUse`
 * that is now. Postgres judges, as the copy that was read may not know of the last use; where it cannot, the copy does.
 */
export async function usedSession(
  { sql, clock }: Pick<Ports, 'sql' | 'clock'>,
  { twoFactorIdleSeconds: idle }: Pick<SessionLife, 'twoFactorIdleSeconds'>,
  { id, acr, updatedAt }: Pick<AuthSession, 'id' | 'acr' | 'updatedAt'>,
  isUse: boolean,
): Promise<Date | null> {
  const restedSeconds = (clock.now() - updatedAt.getTime()) / 1_000;
  if (idle === 0 || !isTwoFactors(acr) || restedSeconds < idle / USES_WRITTEN) return updatedAt;
  try {
    return await (isUse ? useSession : readSessionUse)(sql, id, idle);
  } catch {
    return restedSeconds < idle ? updatedAt : null;
  }
}
