import { createHmac } from 'node:crypto';
import { recordEvent } from '../audit/record-event.ts';
import type { HasKeyRing, KeyRing } from '../keys/key-ring.ts';
import { clientPrefixOf } from '../limits/client-prefix.ts';
import type { Caller, Ports, Sql, Tx } from '../ports.ts';
import { userLogin, userLoginLocked } from './audit-events.ts';
import type { HasAuth } from './auth.ts';
import { knownDevice } from './device-cookie.ts';
import { identifierHash, normaliseEmail } from './email.ts';
import { loginLocked } from './errors.ts';
import {
  type CounterState,
  countFailure,
  deleteCounter,
  forgiveFailures,
  type LockPolicy,
  readCounters,
} from './login-failures.store.ts';

/** Five failures within 15 minutes lock for 15 minutes, then 30, 60 … up to a day (C-CRD-04). */
const LOCK_POLICY: LockPolicy = {
  windowSeconds: 900,
  failuresToLock: 5,
  networkFailuresToLock: 100,
  firstLockSeconds: 900,
  longestLockSeconds: 86_400,
};
/** NIST SP 800-63B-4 §3.2.2: so many consecutive failures, ever, and the password alone is not enough any more. */
export const FAILURES_EVER = 100;
/** A known device that fails so often running is not known any more. */
const DEVICE_FAILURES_EVER = 10;
/** Told to whom no waiting helps. */
const ASK_AGAIN_SECONDS = 86_400;

/** Which counters stand for one attempt to sign in. */
export type AdmittedLogin = {
  readonly isKnownDevice: boolean;
  /** They lock the attempt, and count its failure. */
  readonly judged: readonly string[];
  /** A success forgives them. */
  readonly forgiven: readonly string[];
  /** The login name, as the audit log may know it. */
  readonly identifier: string;
  readonly accountKey: string;
};

export type HasLoginGuard = {
  readonly loginGuard: {
    /** Off for load tests from one machine; accounts lock all the same. */
    readonly locksNetworks: boolean;
  };
};

type GuardPorts = Pick<Ports, 'sql' | 'clock'> & HasKeyRing & HasAuth & HasLoginGuard;

/** Always under the first version of its secret, which is kept for ever: a new one must not forget what was counted. */
function counterKey(keyRing: KeyRing, kind: 'account' | 'device' | 'network', value: string): string {
  const key = keyRing.secretVersion('identifier', 1) ?? keyRing.secret('identifier').key;
  return `${kind}:${createHmac('sha256', key).update(`login\0${kind}\0${value}`).digest('base64url').slice(0, 22)}`;
}

export const accountKeyOf = ({ keyRing }: HasKeyRing, email: string): string =>
  counterKey(keyRing, 'account', normaliseEmail(email));

/** Of the counters by which an attempt is judged, for how long it is refused; 0: it is not. */
function refusedSeconds(judged: readonly string[], counters: readonly CounterState[]): number {
  const seconds = counters
    .filter(({ key }) => judged.includes(key))
    .map(({ key, failures, lockedSeconds }) => {
      const isSpent = failures >= FAILURES_EVER && !key.startsWith('network:');
      return Math.max(lockedSeconds, isSpent ? ASK_AGAIN_SECONDS : 0);
    });
  return Math.max(0, ...seconds);
}

type AttemptedLogin = {
  readonly email: string;
  readonly cookie?: string | undefined;
  /** Of the account, where there is one: devices that signed in before that are not known any more. */
  readonly passwordChangedAt?: Date | null | undefined;
};

/**
 * Judges an attempt to sign in before its password is looked at. Known and unknown accounts cost the same statements.
 * A browser that has signed in before is held by its own counter alone, so nobody can lock another one out.
 * @throws loginLocked (429 with Retry-After), recorded before
 */
export async function admitLogin(
  ports: GuardPorts,
  { email, cookie, passwordChangedAt }: AttemptedLogin,
  caller: Caller,
): Promise<AdmittedLogin> {
  const { keyRing, auth, loginGuard } = ports;
  const device = knownDevice(ports, { cookie, isSecure: auth.browser.secureCookies, email, passwordChangedAt });
  const { ip } = caller.request;
  const accountKey = counterKey(keyRing, 'account', email);
  const deviceKeys = device ? [counterKey(keyRing, 'device', device.id)] : [];
  const networkKeys = loginGuard.locksNetworks && ip !== '' ? [counterKey(keyRing, 'network', clientPrefixOf(ip))] : [];
  const forgiven = [accountKey, ...deviceKeys, ...networkKeys];
  const counters = await readCounters(ports.sql, forgiven);
  const isKnownDevice =
    device !== null &&
    !counters.some(({ key, failures }) => deviceKeys.includes(key) && failures >= DEVICE_FAILURES_EVER);
  const judged = isKnownDevice ? deviceKeys : [accountKey, ...networkKeys];
  const identifier = identifierHash(keyRing.secret('identifier'), email);
  const admitted = { isKnownDevice, judged, forgiven, identifier, accountKey };
  const seconds = refusedSeconds(judged, counters);
  if (seconds > 0) {
    await recordLocked(ports.sql, admitted, caller);
    throw loginLocked({ retryAfterSeconds: seconds });
  }
  return admitted;
}

const recordLocked = (sql: Sql, { identifier, isKnownDevice }: AdmittedLogin, caller: Caller): Promise<void> =>
  recordEvent(sql, caller, userLogin, {
    outcome: 'locked',
    detail: { factor: 'password', identifier, known_device: isKnownDevice },
  });

/**
 * Counts a wrong password and records it, in one transaction. Of parallel ones all count, and those that come after
 * a lock began are told so in place of whether the password was right.
 * @returns seconds for which the attempt was locked already when it failed; 0: it was not
 */
export async function countLoginFailure(
  tx: Tx,
  admitted: AdmittedLogin,
  userId: string | undefined,
  caller: Caller,
): Promise<number> {
  const counted = await countFailure(tx, admitted.judged, admitted.accountKey, LOCK_POLICY);
  const met = counted.map(({ wasLocked, ...counter }) => ({
    ...counter,
    failures: counter.failures - 1,
    lockedSeconds: wasLocked ? Math.max(1, counter.lockedSeconds) : 0,
  }));
  const seconds = refusedSeconds(admitted.judged, met);
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

/** So many names tried in vain from one network within 15 minutes are no household. */
export const STUFFING_NAMES = 50;

/**
 * What a right password does to the counters, in the transaction of its login.
 * @returns `suspectNetwork`: many other names were tried in vain from where it came
 * @throws loginLocked (429) where a lock began while the password was being checked
 */
export async function forgiveLogin(tx: Tx, admitted: AdmittedLogin): Promise<{ readonly suspectNetwork: boolean }> {
  const { isRefused, lockedSeconds, triedNames } = await forgiveFailures(
    tx,
    admitted.forgiven,
    admitted.judged,
    FAILURES_EVER,
  );
  if (isRefused) throw loginLocked({ retryAfterSeconds: lockedSeconds > 0 ? lockedSeconds : ASK_AGAIN_SECONDS });
  return { suspectNetwork: triedNames >= STUFFING_NAMES };
}

/** The counter of an account goes: its password is new, a mailed code came back, or somebody has unlocked it. */
export const clearLoginFailures = (tx: Tx, ports: HasKeyRing, email: string): Promise<number | undefined> =>
  deleteCounter(tx, accountKeyOf(ports, email));

export type LoginStanding = {
  /** Consecutive wrong passwords from devices that are not known. */
  readonly failedLogins: number;
  /** RFC 3339; null where the account is not locked. `infinity` has no date: see `isSpent`. */
  readonly lockedUntil: string | null;
  /** No waiting helps any more: a known device, a passkey, a mailed code or an administrator does. */
  readonly isSpent: boolean;
};

/** The security fields of a user (C-CRD-05). */
export async function readLoginStanding(
  ports: Pick<Ports, 'sql' | 'clock'> & HasKeyRing,
  email: string,
): Promise<LoginStanding> {
  const [counter] = await readCounters(ports.sql, [accountKeyOf(ports, email)]);
  const { failures = 0, lockedSeconds = 0 } = counter ?? {};
  return {
    failedLogins: failures,
    lockedUntil: lockedSeconds > 0 ? new Date(ports.clock.now() + lockedSeconds * 1_000).toISOString() : null,
    isSpent: failures >= FAILURES_EVER,
  };
}
