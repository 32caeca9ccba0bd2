import { createHmac } from 'node:crypto';
import type { HasKeyRing, KeyRing } from '#services/core/keys/key-ring.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import type { CounterState, LockPolicy } from '../users/sign-in-failures.store.ts';

/** Five failures within 15 minutes lock for 15 minutes, then 30, 60 … up to a day. */
export const LOCK_POLICY: LockPolicy = {
  windowSeconds: 900,
  failuresToLock: 5,
  networkFailuresToLock: 100,
  firstLockSeconds: 900,
  longestLockSeconds: 86_400,
};
/** After this many consecutive failures the password alone is no longer accepted (NIST SP 800-63B-4 §3.2.2). */
export const PASSWORD_FAILURES_EVER = 100;
/** A known device with this many consecutive failures is treated as unknown. */
const DEVICE_FAILURES_EVER = 10;
/** Retry-After of a lock that does not expire. */
export const ASK_AGAIN_SECONDS = 86_400;

/**
 * Always uses the first version of the secret, which is never deleted: a rotation must not reset the counters.
 */
export function counterKey(keyRing: KeyRing, kind: 'account' | 'device' | 'network', value: string): string {
  const key = keyRing.secretVersion('identifier', 1) ?? keyRing.secret('identifier').key;
  return `${kind}:${createHmac('sha256', key).update(`login\0${kind}\0${value}`).digest('base64url').slice(0, 22)}`;
}

export const accountKeyOf = ({ keyRing }: HasKeyRing, email: string): string =>
  counterKey(keyRing, 'account', normaliseEmail(email));

/**
 * Counts what failed for a name while an old provider is away, and locks as the counter of the account, but only until
 * the provider is back: an outage locks no user out. It is purged as the counter of a name without an account.
 */
export const uncomparedKeyOf = ({ keyRing }: HasKeyRing, email: string): string =>
  counterKey(keyRing, 'account', `${normaliseEmail(email)}\0uncompared`);

/** Whether a known device has failed too often to be treated as known. */
export const isDeviceSpent = (deviceKeys: readonly string[], counters: readonly CounterState[]): boolean =>
  counters.some(({ key, failures }) => deviceKeys.includes(key) && failures >= DEVICE_FAILURES_EVER);

/** Returns for how many seconds the counters refuse an attempt; 0 if it is allowed. */
export function refusedSeconds(lockingKeys: readonly string[], counters: readonly CounterState[]): number {
  const seconds = counters
    .filter(({ key }) => lockingKeys.includes(key))
    .map(({ key, failures, locked_seconds: lockedSeconds }) => {
      const isSpent = failures >= PASSWORD_FAILURES_EVER && !key.startsWith('network:');
      return Math.max(lockedSeconds, isSpent ? ASK_AGAIN_SECONDS : 0);
    });
  return Math.max(0, ...seconds);
}
