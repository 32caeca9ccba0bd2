import { recordEvent } from '#services/core/audit/record-event.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Sql, Tx } from '#services/core/ports.ts';
import { clientPrefixOf } from '#services/core/shared/client-prefix.ts';
import { identifierHash } from '#services/platform/define/email.ts';
import { userLogin, userLoginLocked } from '../audit-events.ts';
import { loginLocked } from '../contracts/sign-in-errors.ts';
import type { HasFormerPasswords } from '../passwords/take-former-password.ts';
import type { HasAuth } from '../sessions/auth.ts';
import type { PasswordCredential } from '../users/accounts.store.ts';
import {
  type CountedFailure,
  countFailure,
  deleteCounter,
  forgiveFailures,
  noteFailure,
  readCounters,
  spendCounter,
} from '../users/sign-in-failures.store.ts';
import { knownDevice } from './device-cookie.ts';
import {
  ASK_AGAIN_SECONDS,
  accountKeyOf,
  counterKey,
  isDeviceSpent,
  LOCK_POLICY,
  PASSWORD_FAILURES_EVER,
  refusedSeconds,
  uncomparedKeyOf,
} from './sign-in-counters.ts';

/** The counters of one sign-in attempt. */
export type AdmittedSignIn = {
  readonly isKnownDevice: boolean;
  /** Counters that can lock the attempt and that count its failure. */
  readonly lockingKeys: readonly string[];
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
const recordLocked = (sql: Sql, { identifier, isKnownDevice }: AdmittedSignIn, caller: Caller): Promise<void> =>
  recordEvent(sql, caller, userLogin, {
    outcome: 'locked',
    detail: { factor: 'password', identifier, known_device: isKnownDevice },
  });

/** If this many accounts failed from one network within 15 minutes, the network is suspect: a household has fewer. */
export const STUFFING_NAMES = 50;

/**
 * Clears the counters after a correct password, in the transaction of its sign-in.
 * @returns `suspectNetwork`: sign-in to many other accounts failed from the same network
 * @throws loginLocked (429) if a lock began while the password was being verified
 */
export async function forgiveSignIn(tx: Tx, admitted: AdmittedSignIn): Promise<{ readonly suspectNetwork: boolean }> {
  const {
    is_refused: isRefused,
    locked_seconds: lockedSeconds,
    tried_names: triedNames,
  } = await forgiveFailures(tx, admitted.clearedKeys, admitted.lockingKeys, {
    failuresEver: PASSWORD_FAILURES_EVER,
    windowSeconds: LOCK_POLICY.windowSeconds,
  });
  if (isRefused) throw loginLocked({ retryAfterSeconds: lockedSeconds > 0 ? lockedSeconds : ASK_AGAIN_SECONDS });
  return { suspectNetwork: triedNames >= STUFFING_NAMES };
}

/**
 * Deletes the failure counter of an account, because it has a new password, a mailed code was redeemed, or an
 * administrator unlocked it.
 */
export async function clearSignInFailures(tx: Tx, ports: HasKeyRing, email: string): Promise<number | undefined> {
  const counter = await deleteCounter(tx, accountKeyOf(ports, email));
  await deleteCounter(tx, uncomparedKeyOf(ports, email));
  return counter?.failures;
}

/**
 * Disables password sign-in of an account, as after its hundredth failure, until `clearSignInFailures` or a sign-in
 * from a known device. The caller has locked the user. Returns whether this call disabled it.
 */
export const disablePasswordSignIn = (
  tx: Tx,
  ports: HasKeyRing,
  { userId, email }: { readonly userId: string; readonly email: string },
): Promise<boolean> => spendCounter(tx, accountKeyOf(ports, email), PASSWORD_FAILURES_EVER, userId);

/** An attempt while an old provider is away, that would be refused. */
type UncomparedSignIn = {
  readonly key: string;
  /** The user whose password here was compared, and is another one. */
  readonly comparedUserId: string | null;
};

/**
 * Counts towards the locks that an attempt may begin. While an old provider is away a name has one counter for all, so
 * that its answers do not say whether it was imported. A password that was compared counts towards the limit of a
 * hundred too, and for its network. In the order of keys of every writer; the counter of the name is the last.
 */
async function countAttempt(
  tx: Tx,
  { lockingKeys, accountKey }: AdmittedSignIn,
  userId: string | undefined,
  uncompared: UncomparedSignIn | null,
): Promise<CountedFailure[]> {
  if (uncompared === null) return countFailure(tx, lockingKeys, { accountKey, userId }, LOCK_POLICY);
  const { key, comparedUserId } = uncompared;
  const counted: CountedFailure[] = [];
  if (comparedUserId !== null) {
    await noteFailure(tx, accountKey, comparedUserId);
    const networks = lockingKeys.filter((locking) => locking.startsWith('network:'));
    counted.push(...(await countFailure(tx, networks, { accountKey, userId }, LOCK_POLICY)));
  }
  counted.push(...(await countFailure(tx, [key], { accountKey, userId: undefined }, LOCK_POLICY)));
  return counted;
}

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
  uncompared: UncomparedSignIn | null = null,
): Promise<number> {
  const counted = await countAttempt(tx, admitted, userId, uncompared);
  const met = counted.map(({ was_locked: wasLocked, ...counter }) => ({
    ...counter,
    failures: counter.failures - 1,
    locked_seconds: wasLocked ? Math.max(1, counter.locked_seconds) : 0,
  }));
  const seconds = refusedSeconds(
    counted.map(({ key }) => key),
    met,
  );
  const isUncompared = uncompared !== null && uncompared.comparedUserId === null && userId !== undefined;
  if (seconds > 0) await recordLocked(tx, admitted, caller);
  else
    await recordEvent(tx, caller, userLogin, {
      outcome: isUncompared ? 'uncompared' : 'refused',
      ...(userId === undefined ? {} : { target: { kind: 'user', id: userId } as const }),
      detail: { factor: 'password', identifier: admitted.identifier, known_device: admitted.isKnownDevice },
    });
  for (const { key, failures, locked_seconds: lockedSeconds } of counted.filter((row) => row.began_lock)) {
    const kind = key.slice(0, key.indexOf(':')) as 'account' | 'device' | 'network';
    const isNetwork = kind === 'network';
    await recordEvent(tx, caller, userLoginLocked, {
      outcome: 'refused',
      ...(isNetwork || userId === undefined ? {} : { target: { kind: 'user', id: userId } as const }),
      detail: { of: kind, failures, seconds: lockedSeconds, identifier: isNetwork ? key : admitted.identifier },
    });
  }
  return seconds;
}

type NamedAttempt = { readonly email: string; readonly admitted: AdmittedSignIn };

/**
 * Refuses an attempt whose name failed too often while an old provider is away, as a locked account is refused. A known
 * device has a counter of its own.
 * @throws loginLocked (429 with Retry-After), recorded before
 */
export async function refuseUncompared(
  ports: Pick<Ports, 'sql'> & HasKeyRing & HasFormerPasswords,
  { email, admitted }: NamedAttempt,
  caller: Caller,
): Promise<void> {
  const { formerPasswords } = ports;
  if (formerPasswords === null || formerPasswords.isInUse() || admitted.isKnownDevice) return;
  const key = uncomparedKeyOf(ports, email);
  const seconds = refusedSeconds([key], await readCounters(ports.sql, [key]));
  // The lock ends when the provider is back.
  if (seconds === 0 || (await formerPasswords.away()) === null) return;
  await recordLocked(ports.sql, admitted, caller);
  throw loginLocked({ retryAfterSeconds: seconds });
}

/** How a refused attempt counts while an old provider is away: a password that was compared on a known device as always. */
export function uncomparedOf(
  ports: HasKeyRing,
  { email, admitted }: NamedAttempt,
  credential: PasswordCredential | undefined,
): UncomparedSignIn | null {
  const comparedUserId = typeof credential?.digest === 'string' ? credential.userId : null;
  if (comparedUserId !== null && admitted.isKnownDevice) return null;
  return { key: uncomparedKeyOf(ports, email), comparedUserId };
}

/**
 * Clears the counter after a correct password, after `forgiveSignIn`: in the order of keys of every writer.
 * @throws loginLocked (429) if a lock began while the password was being verified
 */
export async function forgiveUncompared(
  tx: Tx,
  ports: HasKeyRing & HasFormerPasswords,
  { email, admitted }: NamedAttempt,
): Promise<void> {
  if (ports.formerPasswords === null) return;
  const counter = await deleteCounter(tx, uncomparedKeyOf(ports, email));
  const seconds = counter?.locked_seconds ?? 0;
  if (seconds > 0 && !admitted.isKnownDevice && !ports.formerPasswords.isInUse())
    throw loginLocked({ retryAfterSeconds: seconds });
}
