import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import { originRefused } from '#services/platform/errors.ts';
import type { HasAuth } from './auth.ts';

/** Cookie of the double-submit token; our pages read it and send it as a header. */
const CSRF_COOKIE = 'sallyport.csrf';

const csrfCookie = ({ browser }: HasAuth['auth']): string => `${browser.secureCookies ? '__Host-' : ''}${CSRF_COOKIE}`;

export type HasCsrf = HasAuth & { readonly keyRing: Pick<KeyRing, 'secret' | 'secretVersion'> };

/** The request headers these rules read. */
type BrowserHeaders = {
  readonly origin?: string | undefined;
  readonly cookie?: string | undefined;
  readonly [name: string]: string | string[] | undefined;
};

/** Returns the percent-decoded value of a cookie (RFC 6265 §5.4), the first one if the name occurs twice. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    const raw = pair.slice(equals + 1).trim();
    try {
      return decodeURIComponent(raw);
    } catch {
      return raw;
    }
  }
  return undefined;
}

const macOf = (key: Buffer, sessionCookieValue: string): string =>
  createHmac('sha256', key).update(`csrf\0${sessionCookieValue}`).digest('base64url');

/** `<key version>.<mac>` over the signed session cookie: invalid with any other session. */
export function csrfTokenOf(keyRing: HasCsrf['keyRing'], sessionCookieValue: string): string {
  const { version, key } = keyRing.secret('csrf');
  return `${version}.${macOf(key, sessionCookieValue)}`;
}

function isTokenOf({ auth, keyRing }: HasCsrf, token: string, cookieHeader: string | undefined): boolean {
  const session = cookieValue(cookieHeader, auth.browser.sessionCookie);
  const [, version, mac] = /^(\d{1,5})\.([\w-]{43})$/.exec(token) ?? [];
  const key = version === undefined ? undefined : keyRing.secretVersion('csrf', Number(version));
  if (session === undefined || key === undefined || mac === undefined) return false;
  return timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(key, session)));
}

/**
 * Whether a write authenticated by the session cookie comes from a page that may send it: one with our or a listed
 * Origin, or, without an Origin, one that sends the double-submit token. Call it after the session was found to be
 * live.
 */
export function csrfPasses(deps: HasCsrf, headers: BrowserHeaders): boolean {
  if (headers.origin !== undefined) return deps.auth.browser.trustedOrigins.has(headers.origin);
  const token = headers['x-csrf-token'];
  return typeof token === 'string' && isTokenOf(deps, token, headers.cookie);
}

/**
 * Refuses a sign-in that a page of another site sends, which could sign its visitor in as another user (login CSRF). A
 * request without Origin does not come from a page. Throws `origin_refused` (403).
 */
export function assertOwnPage({ auth }: HasAuth, headers: BrowserHeaders): void {
  if (headers.origin !== undefined && !auth.browser.trustedOrigins.has(headers.origin)) throw originRefused();
}

/** `Set-Cookie` of the double-submit token for the session cookie just set; scripts may read it. */
export function csrfSetCookie({ auth, keyRing }: HasCsrf, sessionSetCookie: string, maxAgeSeconds: number): string {
  const [pair = ''] = sessionSetCookie.split(';', 1);
  const token = csrfTokenOf(keyRing, cookieValue(pair, auth.browser.sessionCookie) ?? '');
  return `${csrfCookie(auth)}=${token}; Path=/; Max-Age=${maxAgeSeconds}; SameSite=Lax${auth.browser.secureCookies ? '; Secure' : ''}`;
}

/** `Set-Cookie` lines that make a browser forget the session. */
export function clearedCookies({ auth }: HasAuth): string[] {
  const end = `; Path=/; Max-Age=0; SameSite=Lax${auth.browser.secureCookies ? '; Secure' : ''}`;
  return [`${auth.browser.sessionCookie}=; HttpOnly${end}`, `${csrfCookie(auth)}=${end}`];
}
