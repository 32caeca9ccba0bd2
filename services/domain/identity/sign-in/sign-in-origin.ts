import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import { clientPrefixOf } from '#services/domain/limits/client-prefix.ts';
import type { Caller, Ports, Sql, Tx } from '#services/domain/ports.ts';
import { findAccount } from '../accounts/accounts.store.ts';
import type { HasAuth } from '../better-auth/auth.ts';
import type { AuthSession, OpenedSession } from '../sessions/live-session.ts';
import { knownDevice } from './device-cookie.ts';
import { STUFFING_NAMES } from './forgive-sign-in.ts';
import { counterKey, isDeviceSpent, LOCK_POLICY } from './sign-in-counters.ts';
import { readCounters, readTriedNames } from './sign-in-failures.store.ts';
import { type Elsewhere, forgetDevicesRow, readElsewhere } from './sign-in-origin.store.ts';

/** What every event of a login says of where it came from: all that the detections judge (`security/sighting-of.ts`). */
type LoginSighting = {
  readonly session_id: string;
  readonly known_device: boolean;
  /** Many other names were tried in vain from its network lately. */
  readonly suspect_network?: true;
  /** A session of the same user that is in use in another place. */
  readonly elsewhere?: string;
};

const ELSEWHERE_SECONDS = 600;

/**
 * Said while the session is opened, so that ending it at once takes nothing from the judgement.
 * @param session just opened, in this transaction
 */
export async function readSignInOrigin(
  tx: Tx,
  session: Pick<AuthSession, 'id' | 'userId' | 'ipAddress' | 'userAgent'>,
  { isKnownDevice, suspectNetwork }: { readonly isKnownDevice: boolean; readonly suspectNetwork: boolean },
): Promise<LoginSighting> {
  const others = isKnownDevice ? [] : await readElsewhere(tx, session, ELSEWHERE_SECONDS);
  const other = others.find((one) => isAnotherPlace(session, one));
  return {
    session_id: session.id,
    known_device: isKnownDevice,
    ...(suspectNetwork ? { suspect_network: true } : {}),
    ...(other === undefined ? {} : { elsewhere: other.sessionId }),
  };
}

/** The same for a login that no counter of wrong passwords has admitted: by passkey, code or another provider. */
export async function readSignInOriginOf(
  tx: Tx,
  ports: Pick<Ports, 'clock'> & HasKeyRing & HasAuth,
  { user, session }: OpenedSession,
  cookie: string | undefined,
  { request: { ip } }: Caller,
): Promise<LoginSighting> {
  const devicesSince = (await findAccount(tx, user.id))?.devicesSince;
  const isKnownDevice = await isFromKnownDevice(tx, ports, { email: user.email, devicesSince }, cookie);
  const networkKey = counterKey(ports.keyRing, 'network', clientPrefixOf(ip));
  const names = await readTriedNames(tx, networkKey, LOCK_POLICY.windowSeconds);
  return readSignInOrigin(tx, session, { isKnownDevice, suspectNetwork: names >= STUFFING_NAMES });
}

/** Whether these cookies are of a browser that is known for the account. */
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

/** Another network and another agent: either alone is a phone that leaves the house, or a second browser. */
export function isAnotherPlace(
  own: { readonly ipAddress: string | null; readonly userAgent: string | null },
  { ip, agent }: Pick<Elsewhere, 'ip' | 'agent'>,
): boolean {
  if (!ip || !own.ipAddress) return false;
  return clientPrefixOf(ip) !== clientPrefixOf(own.ipAddress) && agent !== own.userAgent;
}

/**
 * No browser is known for this account any more, whatever cookies it holds. Holds the user until the end of the
 * transaction. Its address, or undefined where there is no such account.
 */
export const forgetDevices = (tx: Tx, userId: string): Promise<string | undefined> => forgetDevicesRow(tx, userId);
