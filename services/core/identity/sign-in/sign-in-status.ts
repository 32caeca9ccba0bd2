import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import { countLocked, readCounters } from '../users/sign-in-failures.store.ts';
import { accountKeyOf, PASSWORD_FAILURES_EVER } from './sign-in-counters.ts';

type SignInStatus = {
  /** Consecutive wrong passwords from unknown devices. */
  readonly failedLogins: number;
  /** RFC 3339; null without a timed lock. */
  readonly lockedUntil: string | null;
  /** Whether the lock does not expire: only a known device, a passkey, a mailed code or an administrator ends it. */
  readonly isSpent: boolean;
};

export async function readSignInStatus(
  ports: Pick<Ports, 'sql' | 'clock'> & HasKeyRing,
  email: string,
): Promise<SignInStatus> {
  const [counter] = await readCounters(ports.sql, [accountKeyOf(ports, email)]);
  const { failures = 0, locked_seconds: lockedSeconds = 0 } = counter ?? {};
  return {
    failedLogins: failures,
    lockedUntil: lockedSeconds > 0 ? new Date(ports.clock.now() + lockedSeconds * 1_000).toISOString() : null,
    isSpent: failures >= PASSWORD_FAILURES_EVER,
  };
}

/** Accounts whose password is refused on unknown devices now, until a lock ends or someone unlocks them. For jobs: it reads every counter of an account. */
export const countLockedAccounts = ({ sql }: Pick<Ports, 'sql'>): Promise<number> =>
  countLocked(sql, PASSWORD_FAILURES_EVER);
