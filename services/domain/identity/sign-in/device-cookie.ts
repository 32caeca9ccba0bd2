import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KeyRing } from '#services/domain/keys/key-ring.ts';
import type { Ports } from '#services/domain/ports.ts';
import type { HasAuth } from '../better-auth/auth.ts';
import { cookieValue } from '../sessions/csrf.ts';
import type { LoginAnswer } from '../sessions/open-session.ts';

/** A browser that has signed in before, as far as one login name is concerned. */
export type KnownDevice = { readonly id: string };

type DevicePorts = Pick<Ports, 'clock'> & { readonly keyRing: Pick<KeyRing, 'secret' | 'secretVersion'> };

/** Seconds for which a browser is known after its last sign-in. */
export const DEVICE_COOKIE_SECONDS = 180 * 86_400;
/** People that share a browser; the one who signed in longest ago is forgotten first. */
const DEVICES_PER_BROWSER = 4;
const COOKIE = 'sallyport.device';
const ENTRY = /^(\d{1,5})\.(\d{1,12})\.([\w-]{22})\.([\w-]{43})$/;

const nameOf = (isSecure: boolean): string => `${isSecure ? '__Host-' : ''}${COOKIE}`;

const macOf = (key: Buffer, issuedAt: number | string, id: string, email: string): string =>
  createHmac('sha256', key).update(`device\0${issuedAt}\0${id}\0${email}`).digest('base64url');

/** As `ENTRY` takes them apart; the whole entry is the first part. */
const entriesIn = (cookieHeader: string | undefined, isSecure: boolean): RegExpExecArray[] =>
  (cookieValue(cookieHeader, nameOf(isSecure)) ?? '')
    .split('~', DEVICES_PER_BROWSER)
    .map((entry) => ENTRY.exec(entry))
    .filter((parts) => parts !== null);

/**
 * The device that a browser proves to be for this login name, or null. Costs the same for every name: nothing is
 * looked up, and every entry is judged.
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
    /** A cookie from before, in whole seconds, is of nobody: whoever collected some gets no tries by them. */
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

/** `Set-Cookie` by which the browser of a sign-in that has just succeeded is known from now on. */
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

/** The answer of a sign-in or sign-up, with the cookie by which its browser is known from now on. */
export const withDevice = (
  ports: DevicePorts & Pick<Ports, 'random'> & HasAuth,
  answer: LoginAnswer,
  { email, cookie }: { readonly email: string; readonly cookie: string | undefined },
): LoginAnswer => ({
  ...answer,
  setCookie: [
    ...answer.setCookie,
    deviceSetCookie(ports, { email, cookie, isSecure: ports.auth.browser.secureCookies }),
  ],
});
