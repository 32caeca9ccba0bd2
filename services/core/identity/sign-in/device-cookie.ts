import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { cookieValue } from '../sessions/csrf.ts';
import type { SignInAnswer } from '../sessions/open-session.ts';

/** A browser that has signed in to one account before. */
type KnownDevice = { readonly id: string };

type DevicePorts = Pick<Ports, 'clock'> & { readonly keyRing: Pick<KeyRing, 'secret' | 'secretVersion'> };

/** Seconds for which a browser stays known after its last sign-in. */
export const DEVICE_COOKIE_SECONDS = 180 * 86_400;
/** Maximum of users that one browser is known for; the user who signed in longest ago is forgotten first. */
const DEVICES_PER_BROWSER = 4;
const COOKIE = 'sallyport.device';
const ENTRY = /^(\d{1,5})\.(\d{1,12})\.([\w-]{22})\.([\w-]{43})$/;

const nameOf = (isSecure: boolean): string => `${isSecure ? '__Host-' : ''}${COOKIE}`;

const macOf = (key: Buffer, issuedAt: number | string, id: string, email: string): string =>
  createHmac('sha256', key).update(`device\0${issuedAt}\0${id}\0${email}`).digest('base64url');

/** The entries, matched by `ENTRY`; the first element is the whole entry. */
const entriesIn = (cookieHeader: string | undefined, isSecure: boolean): RegExpExecArray[] =>
  (cookieValue(cookieHeader, nameOf(isSecure)) ?? '')
    .split('~', DEVICES_PER_BROWSER)
    .map((entry) => ENTRY.exec(entry))
    .filter((parts) => parts !== null);

/**
 * Returns the known device of a browser for this e-mail address, or null. Takes the same time for every address: it
 * reads no store, and verifies every entry.
 */
export function knownDevice(
  { clock, keyRing }: DevicePorts,
  {
    cookie,
    isSecure,
    email,
    since,
  }: {
    readonly cookie: string | undefined;
    readonly isSecure: boolean;
    readonly email: string;
    /**
     * Cookies from before this time (in whole seconds) are not accepted, so collected cookies give an attacker no
     * attempts.
     */
    readonly since?: Date | null | undefined;
  },
): KnownDevice | null {
  const sinceSeconds = Math.floor((since?.getTime() ?? 0) / 1_000);
  const nowSeconds = Math.floor(clock.now() / 1_000);
  let found: KnownDevice | null = null;
  for (const [, version, issuedAt = '', id = '', mac = ''] of entriesIn(cookie, isSecure)) {
    const key = keyRing.secretVersion('device', Number(version));
    if (key === undefined) continue;
    const isGenuine = timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(key, issuedAt, id, email)));
    const isInTime = Number(issuedAt) >= sinceSeconds && Number(issuedAt) + DEVICE_COOKIE_SECONDS > nowSeconds;
    if (isGenuine && isInTime) found = { id };
  }
  return found;
}

/** `Set-Cookie` that makes the browser of a successful sign-in a known device. */
export function deviceSetCookie(
  ports: DevicePorts & Pick<Ports, 'random'>,
  given: { readonly cookie: string | undefined; readonly isSecure: boolean; readonly email: string },
): string {
  const { version, key } = ports.keyRing.secret('device');
  const before = knownDevice(ports, given);
  const id = before?.id ?? ports.random.bytes(16).toString('base64url');
  const issuedAt = Math.floor(ports.clock.now() / 1_000);
  const others = entriesIn(given.cookie, given.isSecure).filter(([, , , other]) => other !== id);
  const entry = `${version}.${issuedAt}.${id}.${macOf(key, issuedAt, id, given.email)}`;
  const value = [entry, ...others.map(([other]) => other)].slice(0, DEVICES_PER_BROWSER).join('~');
  const secure = given.isSecure ? '; Secure' : '';
  return `${nameOf(given.isSecure)}=${value}; Path=/; Max-Age=${DEVICE_COOKIE_SECONDS}; HttpOnly; SameSite=Lax${secure}`;
}

export const withDevice = (
  ports: DevicePorts & Pick<Ports, 'random'> & HasAuth,
  answer: SignInAnswer,
  { email, cookie }: { readonly email: string; readonly cookie: string | undefined },
): SignInAnswer => ({
  ...answer,
  setCookie: [
    ...answer.setCookie,
    deviceSetCookie(ports, { email, cookie, isSecure: ports.auth.browser.secureCookies }),
  ],
});
