import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Sql, Tx } from '#services/core/ports.ts';
import { clientPrefixOf } from '#services/core/shared/client-prefix.ts';
import type { CountryOf } from '#services/platform/geo/country-table.ts';
import type { HasAuth } from '../sessions/auth.ts';
import type { AuthSession, OpenedSession } from '../sessions/live-session.ts';
import { type Elsewhere, readElsewhere } from '../sessions/sessions.store.ts';
import { findAccount, forgetDevicesRow } from '../users/accounts.store.ts';
import { readCounters, readTriedNames } from '../users/sign-in-failures.store.ts';
import { knownDevice } from './device-cookie.ts';
import { counterKey, isDeviceSpent, LOCK_POLICY } from './sign-in-counters.ts';
import { STUFFING_NAMES } from './sign-in-guard.ts';

/** What every sign-in event records about its origin: the whole input of the detections (`security/sighting-of.ts`). */
type SignInOrigin = {
  readonly session_id: string;
  readonly known_device: boolean;
  /** Sign-ins to many other accounts recently failed from the same network. */
  readonly suspect_network?: true;
  /** Another session of the same user, from another place. */
  readonly elsewhere?: string;
  /** Whether `country` is known. */
  readonly is_placed?: true;
  /** ISO 3166-1 alpha-2. Sealed as a commitment and erased with the user, like the hash of the address. */
  readonly country?: string;
};

const ELSEWHERE_SECONDS = 600;

/**
 * Reads the origin in the transaction that opens the session, so that ending the session at once hides nothing from the
 * detections.
 * @param session just opened in this transaction
 */
export async function readSignInOrigin(
  tx: Tx,
  session: Pick<AuthSession, 'id' | 'userId' | 'ipAddress' | 'userAgent'>,
  { isKnownDevice, suspectNetwork }: { readonly isKnownDevice: boolean; readonly suspectNetwork: boolean },
  { auth: { countryOf } }: HasAuth,
): Promise<SignInOrigin> {
  const others = isKnownDevice ? [] : await readElsewhere(tx, session, ELSEWHERE_SECONDS);
  const other = others.find((one) => isAnotherPlace(session, one, countryOf));
  const country = countryOf(session.ipAddress);
  return {
    session_id: session.id,
    known_device: isKnownDevice,
    ...(suspectNetwork ? { suspect_network: true } : {}),
    ...(other === undefined ? {} : { elsewhere: other.sessionId }),
    ...(country === null ? {} : { is_placed: true, country }),
  };
}

/** The same for sign-in methods without a counter of wrong passwords: passkey, code or another provider. */
export async function readSignInOriginOf(
  tx: Tx,
  ports: Pick<Ports, 'clock'> & HasKeyRing & HasAuth,
  { user, session }: OpenedSession,
  cookie: string | undefined,
  { request: { ip } }: Caller,
): Promise<SignInOrigin> {
  const devicesSince = (await findAccount(tx, user.id))?.devicesSince;
  const isKnownDevice = await isFromKnownDevice(tx, ports, { email: user.email, devicesSince }, cookie);
  const networkKey = counterKey(ports.keyRing, 'network', clientPrefixOf(ip));
  const names = await readTriedNames(tx, networkKey, LOCK_POLICY.windowSeconds);
  return readSignInOrigin(tx, session, { isKnownDevice, suspectNetwork: names >= STUFFING_NAMES }, ports);
}

/** Whether these cookies identify a known device of the account. */
export async function isFromKnownDevice(
  sql: Sql,
  ports: Pick<Ports, 'clock'> & HasKeyRing & HasAuth,
  { email, devicesSince: since }: { readonly email: string; readonly devicesSince: Date | null | undefined },
  cookie: string | undefined,
): Promise<boolean> {
  const device = knownDevice(ports, { cookie, isSecure: ports.auth.browser.secureCookies, email, since });
  return device !== null && !(await isSpent(sql, counterKey(ports.keyRing, 'device', device.id)));
}

const isSpent = async (sql: Sql, deviceKey: string): Promise<boolean> =>
  isDeviceSpent([deviceKey], await readCounters(sql, [deviceKey]));

/**
 * Whether both network and user agent differ. If only one differs, it may be a phone that left the house, or a second
 * browser. Where both countries are known, the distance between them says more (`security/history/impossible-travel.ts`).
 */
export function isAnotherPlace(
  own: { readonly ipAddress: string | null; readonly userAgent: string | null },
  { ip, agent }: Pick<Elsewhere, 'ip' | 'agent'>,
  countryOf: CountryOf,
): boolean {
  if (!ip || !own.ipAddress) return false;
  if (countryOf(ip) !== null && countryOf(own.ipAddress) !== null) return false;
  return networkOf(ip) !== networkOf(own.ipAddress) && agent !== own.userAgent;
}

const LOOPBACK_V6 = clientPrefixOf('::1');

/** `localhost` is ::1 to a browser, of which a session has the /64, and 127.0.0.1 to a program beside it. */
function networkOf(ip: string): string {
  const prefix = clientPrefixOf(ip);
  return prefix === LOOPBACK_V6 ? '127.0.0.1' : prefix;
}

/**
 * Forgets every known device of the account. Locks the user until the end of the transaction. Returns the address of
 * the account, or undefined if it does not exist.
 */
export const forgetDevices = (tx: Tx, userId: string): Promise<string | undefined> => forgetDevicesRow(tx, userId);
