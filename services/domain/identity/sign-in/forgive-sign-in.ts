import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { Tx } from '#services/domain/ports.ts';
import { loginLocked } from '../errors.ts';
import { ASK_AGAIN_SECONDS, accountKeyOf, FAILURES_EVER, LOCK_POLICY } from './sign-in-counters.ts';
import { deleteCounter, forgiveFailures, spendCounter } from './sign-in-failures.store.ts';
import type { AdmittedSignIn } from './sign-in-guard.ts';

/** So many names tried in vain from one network within 15 minutes are no household. */
export const STUFFING_NAMES = 50;

/**
 * What a right password does to the counters, in the transaction of its login.
 * @returns `suspectNetwork`: many other names were tried in vain from where it came
 * @throws loginLocked (429) where a lock began while the password was being checked
 */
export async function forgiveSignIn(tx: Tx, admitted: AdmittedSignIn): Promise<{ readonly suspectNetwork: boolean }> {
  const { isRefused, lockedSeconds, triedNames } = await forgiveFailures(tx, admitted.forgiven, admitted.judged, {
    failuresEver: FAILURES_EVER,
    windowSeconds: LOCK_POLICY.windowSeconds,
  });
  if (isRefused) throw loginLocked({ retryAfterSeconds: lockedSeconds > 0 ? lockedSeconds : ASK_AGAIN_SECONDS });
  return { suspectNetwork: triedNames >= STUFFING_NAMES };
}

/** The counter of an account goes: its password is new, a mailed code came back, or somebody has unlocked it. */
export const clearSignInFailures = (tx: Tx, ports: HasKeyRing, email: string): Promise<number | undefined> =>
  deleteCounter(tx, accountKeyOf(ports, email));

/**
 * The password of an account is not enough any more, as after its hundredth failure, until one of the above or a login
 * from a device that became known otherwise. The user is locked by the caller. Whether it is closed by this.
 */
export const spendSignInFailures = (
  tx: Tx,
  ports: HasKeyRing,
  { userId, email }: { readonly userId: string; readonly email: string },
): Promise<boolean> => spendCounter(tx, accountKeyOf(ports, email), FAILURES_EVER, userId);
