import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { userLogin, userLoginLocked } from '../audit-events.ts';
import { countFailure } from '../users/sign-in-failures.store.ts';
import { LOCK_POLICY, refusedSeconds } from './sign-in-counters.ts';
import { type AdmittedSignIn, recordLocked } from './sign-in-guard.ts';

/**
 * Counts and records a wrong password in one transaction. Concurrent failures are all counted; an attempt that failed
 * after a lock began is reported as locked, so it does not reveal whether its password was right.
 * @returns seconds for which the attempt was already locked when it failed; 0: not locked
 */
export async function countSignInFailure(
  tx: Tx,
  admitted: AdmittedSignIn,
  userId: string | undefined,
  caller: Caller,
): Promise<number> {
  const counted = await countFailure(
    tx,
    admitted.lockingKeys,
    { accountKey: admitted.accountKey, userId },
    LOCK_POLICY,
  );
  const met = counted.map(({ wasLocked, ...counter }) => ({
    ...counter,
    failures: counter.failures - 1,
    lockedSeconds: wasLocked ? Math.max(1, counter.lockedSeconds) : 0,
  }));
  const seconds = refusedSeconds(admitted.lockingKeys, met);
  if (seconds > 0) await recordLocked(tx, admitted, caller);
  else
    await recordEvent(tx, caller, userLogin, {
      outcome: 'refused',
      ...(userId === undefined ? {} : { target: { kind: 'user', id: userId } as const }),
      detail: { factor: 'password', identifier: admitted.identifier, known_device: admitted.isKnownDevice },
    });
  for (const { key, failures, lockedSeconds } of counted.filter(({ beganLock }) => beganLock)) {
    const kind = key.slice(0, key.indexOf(':'));
    const isNetwork = kind === 'network';
    await recordEvent(tx, caller, userLoginLocked, {
      outcome: 'refused',
      ...(isNetwork || userId === undefined ? {} : { target: { kind: 'user', id: userId } as const }),
      detail: { of: kind, failures, seconds: lockedSeconds, identifier: isNetwork ? key : admitted.identifier },
    });
  }
  return seconds;
}
