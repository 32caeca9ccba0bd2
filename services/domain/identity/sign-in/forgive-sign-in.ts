import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { Tx } from '#services/domain/ports.ts';
import { loginLocked } from '../contracts/sign-in-errors.ts';
import { deleteCounter, forgiveFailures, spendCounter } from '../users/sign-in-failures.store.ts';
import { ASK_AGAIN_SECONDS, accountKeyOf, LOCK_POLICY, PASSWORD_FAILURES_EVER } from './sign-in-counters.ts';
import type { AdmittedSignIn } from './sign-in-guard.ts';

/** If this many accounts failed from one network within 15 minutes, the network is suspect: a household has fewer. */
export const STUFFING_NAMES = 50;

/**
 * Clears the counters after a correct password, in the transaction of its sign-in.
 * @returns `suspectNetwork`: sign-in to many other accounts failed from the same network
 * @throws loginLocked (429) if a lock began while the password was being verified
 */
export async function forgiveSignIn(tx: Tx, admitted: AdmittedSignIn): Promise<{ readonly suspectNetwork: boolean }> {
  const { isRefused, lockedSeconds, triedNames } = await forgiveFailures(
    tx,
    admitted.clearedKeys,
    admitted.lockingKeys,
    {
      failuresEver: PASSWORD_FAILURES_EVER,
      windowSeconds: LOCK_POLICY.windowSeconds,
    },
  );
  if (isRefused) throw loginLocked({ retryAfterSeconds: lockedSeconds > 0 ? lockedSeconds : ASK_AGAIN_SECONDS });
  return { suspectNetwork: triedNames >= STUFFING_NAMES };
}

/**
 * Deletes the failure counter of an account, because it has a new password, a mailed code was redeemed, or an
 * administrator unlocked it.
 */
export const clearSignInFailures = (tx: Tx, ports: HasKeyRing, email: string): Promise<number | undefined> =>
  deleteCounter(tx, accountKeyOf(ports, email));

/**
 * Disables password sign-in of an account, as after its hundredth failure, until `clearSignInFailures` or a sign-in
 * from a known device. The caller has locked the user. Returns whether this call disabled it.
 */
export const disablePasswordSignIn = (
  tx: Tx,
  ports: HasKeyRing,
  { userId, email }: { readonly userId: string; readonly email: string },
): Promise<boolean> => spendCounter(tx, accountKeyOf(ports, email), PASSWORD_FAILURES_EVER, userId);
