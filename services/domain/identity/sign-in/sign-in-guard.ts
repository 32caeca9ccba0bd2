import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import { clientPrefixOf } from '#services/domain/limits/client-prefix.ts';
import type { Caller, Ports, Sql } from '#services/domain/ports.ts';
import { userLogin } from '../audit-events.ts';
import type { HasAuth } from '../better-auth/auth.ts';
import { identifierHash } from '../email.ts';
import { loginLocked } from '../errors.ts';
import { knownDevice } from './device-cookie.ts';
import { counterKey, isDeviceSpent, refusedSeconds } from './sign-in-counters.ts';
import { readCounters } from './sign-in-failures.store.ts';

/** Which counters stand for one attempt to sign in. */
export type AdmittedSignIn = {
  readonly isKnownDevice: boolean;
  /** They lock the attempt, and count its failure. */
  readonly judged: readonly string[];
  /** A success forgives them. */
  readonly forgiven: readonly string[];
  /** The login name, as the audit log may know it. */
  readonly identifier: string;
  readonly accountKey: string;
};

export type HasSignInGuard = {
  readonly loginGuard: {
    /** Off for load tests from one machine; accounts lock all the same. */
    readonly locksNetworks: boolean;
  };
};

type GuardPorts = Pick<Ports, 'sql' | 'clock'> & HasKeyRing & HasAuth & HasSignInGuard;

type AttemptedLogin = {
  readonly email: string;
  readonly cookie?: string | undefined;
  /** Of the account, where there is one: devices that signed in before that are not known any more. */
  readonly devicesSince?: Date | null | undefined;
};

/** Whether the cookie alone says so: that the account has forgotten its devices since then is not known yet. */
export const mayBeKnownDevice = (ports: GuardPorts, { email, cookie }: AttemptedLogin): boolean =>
  knownDevice(ports, { cookie, isSecure: ports.auth.browser.secureCookies, email }) !== null;

/**
 * Judges an attempt to sign in before its password is looked at. Known and unknown accounts cost the same statements.
 * A browser that has signed in before is held by its own counter alone, so nobody can lock another one out.
 * @throws loginLocked (429 with Retry-After), recorded before
 */
export async function admitSignIn(
  ports: GuardPorts,
  { email, cookie, devicesSince: since }: AttemptedLogin,
  caller: Caller,
): Promise<AdmittedSignIn> {
  const { keyRing, auth, loginGuard } = ports;
  const device = knownDevice(ports, { cookie, isSecure: auth.browser.secureCookies, email, since });
  const { ip } = caller.request;
  const accountKey = counterKey(keyRing, 'account', email);
  const deviceKeys = device ? [counterKey(keyRing, 'device', device.id)] : [];
  const networkKeys = loginGuard.locksNetworks && ip !== '' ? [counterKey(keyRing, 'network', clientPrefixOf(ip))] : [];
  const forgiven = [accountKey, ...deviceKeys, ...networkKeys];
  const counters = await readCounters(ports.sql, forgiven);
  const isKnownDevice = device !== null && !isDeviceSpent(deviceKeys, counters);
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

/** Somebody was told to wait, before or in place of what became of the password. */
export const recordLocked = (sql: Sql, { identifier, isKnownDevice }: AdmittedSignIn, caller: Caller): Promise<void> =>
  recordEvent(sql, caller, userLogin, {
    outcome: 'locked',
    detail: { factor: 'password', identifier, known_device: isKnownDevice },
  });
