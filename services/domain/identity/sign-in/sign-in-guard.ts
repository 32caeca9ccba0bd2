import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import { clientPrefixOf } from '#services/domain/limits/client-prefix.ts';
import type { Caller, Ports, Sql } from '#services/domain/ports.ts';
import { userLogin } from '../audit-events.ts';
import { loginLocked } from '../contracts/sign-in-errors.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { identifierHash } from '../users/email.ts';
import { readCounters } from '../users/sign-in-failures.store.ts';
import { knownDevice } from './device-cookie.ts';
import { counterKey, isDeviceSpent, refusedSeconds } from './sign-in-counters.ts';

/** The counters of one sign-in attempt. */
export type AdmittedSignIn = {
  readonly isKnownDevice: boolean;
  /** Counters that can lock the attempt and that count its failure. */
  readonly lockingKeys: readonly string[];
  /** Counters that a success clears. */
  readonly clearedKeys: readonly string[];
  /** Keyed hash of the e-mail address, for the audit log. */
  readonly identifier: string;
  readonly accountKey: string;
};

export type HasSignInGuard = {
  readonly signInGuard: {
    /** False for load tests from one machine; accounts are locked even then. */
    readonly locksNetworks: boolean;
  };
};

type GuardPorts = Pick<Ports, 'sql' | 'clock'> & HasKeyRing & HasAuth & HasSignInGuard;

type SignInAttempt = {
  readonly email: string;
  readonly cookie?: string | undefined;
  /** Devices that signed in before this time are unknown; undefined without an account. */
  readonly devicesSince?: Date | null | undefined;
};

/**
 * Whether the cookie alone identifies a known device. The account, which is not read yet, may have forgotten its
 * devices since the cookie was set.
 */
export const mayBeKnownDevice = (ports: GuardPorts, { email, cookie }: SignInAttempt): boolean =>
  knownDevice(ports, { cookie, isSecure: ports.auth.browser.secureCookies, email }) !== null;

/**
 * Decides whether a sign-in attempt is allowed, before its password is verified. Known and unknown accounts cost the
 * same statements. A known device is limited only by its own counter, so an attacker elsewhere cannot lock it out.
 * @throws loginLocked (429 with Retry-After), recorded before
 */
export async function admitSignIn(
  ports: GuardPorts,
  { email, cookie, devicesSince: since }: SignInAttempt,
  caller: Caller,
): Promise<AdmittedSignIn> {
  const { keyRing, auth, signInGuard } = ports;
  const device = knownDevice(ports, { cookie, isSecure: auth.browser.secureCookies, email, since });
  const { ip } = caller.request;
  const accountKey = counterKey(keyRing, 'account', email);
  const deviceKeys = device ? [counterKey(keyRing, 'device', device.id)] : [];
  const networkKeys =
    signInGuard.locksNetworks && ip !== '' ? [counterKey(keyRing, 'network', clientPrefixOf(ip))] : [];
  const clearedKeys = [accountKey, ...deviceKeys, ...networkKeys];
  const counters = await readCounters(ports.sql, clearedKeys);
  const isKnownDevice = device !== null && !isDeviceSpent(deviceKeys, counters);
  const lockingKeys = isKnownDevice ? deviceKeys : [accountKey, ...networkKeys];
  const identifier = identifierHash(keyRing.secret('identifier'), email);
  const admitted = { isKnownDevice, lockingKeys, clearedKeys, identifier, accountKey };
  const seconds = refusedSeconds(lockingKeys, counters);
  if (seconds > 0) {
    await recordLocked(ports.sql, admitted, caller);
    throw loginLocked({ retryAfterSeconds: seconds });
  }
  return admitted;
}

/** Records that an attempt was refused because of a lock, whether or not its password was verified. */
export const recordLocked = (sql: Sql, { identifier, isKnownDevice }: AdmittedSignIn, caller: Caller): Promise<void> =>
  recordEvent(sql, caller, userLogin, {
    outcome: 'locked',
    detail: { factor: 'password', identifier, known_device: isKnownDevice },
  });
