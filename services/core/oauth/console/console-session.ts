import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { HasAuth } from '#services/core/identity/sessions/auth.ts';
import { cookieValue } from '#services/core/identity/sessions/csrf.ts';
import type { Ports } from '#services/core/ports.ts';
import type { AccessTokenClaims } from '#services/core/tokens/access-token.ts';
import type { ProofKey } from './console-proof.ts';

/** What the console's cookie holds, encrypted: the tokens of its user and the key that they are bound to. */
export type ConsoleSession = { readonly accessToken: string; readonly refreshToken: string; readonly key: ProofKey };

/** What a sign-in needs when the browser comes back from the authorization endpoint. */
type ConsoleStart = {
  readonly state: string;
  readonly verifier: string;
  readonly key: ProofKey;
  /** Path in the console. */
  readonly returnTo: string;
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
};

type Sealing = Pick<Ports, 'vault'> & HasAuth;
type Kind = 'session' | 'start';

/** The largest plain text that is read. */
const LONGEST = 65_536;
const SUFFIX = { session: 'console', start: 'console_start' } as const satisfies Record<Kind, string>;

const nameOf = ({ auth }: HasAuth, kind: Kind): string =>
  `${auth.browser.secureCookies ? '__Host-' : ''}sallyport.${SUFFIX[kind]}`;

const contextOf = (kind: Kind): string => `console ${kind}`;

/**
 * A `Set-Cookie` line. The session is `Strict`: only the console's own requests send it. The start is `Lax`, because the
 * browser may come back from the page of another provider.
 */
function lineOf(ports: HasAuth, kind: Kind, value: string, maxAgeSeconds: number): string {
  const sameSite = kind === 'session' ? 'Strict' : 'Lax';
  const secure = ports.auth.browser.secureCookies ? '; Secure' : '';
  return `${nameOf(ports, kind)}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=${sameSite}${secure}`;
}

/** Compressed, because a browser keeps at most 4,096 bytes of a cookie, and scope and permissions of a token repeat. */
function sealed(ports: Sealing, kind: Kind, value: object, maxAgeSeconds: number): string {
  const packed = deflateRawSync(JSON.stringify(value));
  return lineOf(ports, kind, ports.vault.seal(packed, contextOf(kind)), maxAgeSeconds);
}

/** Undefined without the cookie, and for one that this installation did not make or that another key encrypted. */
function opened(ports: Sealing, kind: Kind, cookie: string | undefined): unknown {
  const value = cookieValue(cookie, nameOf(ports, kind));
  if (value === undefined) return undefined;
  try {
    const packed = ports.vault.open(value, contextOf(kind));
    return JSON.parse(inflateRawSync(packed, { maxOutputLength: LONGEST }).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The parts of a token whose text compresses are kept as text; the signature as it is. */
const unpackedToken = (token: string): readonly string[] => {
  const [header = '', payload = '', signature = ''] = token.split('.');
  return [...[header, payload].map((part) => Buffer.from(part, 'base64url').toString('utf8')), signature];
};
const packedToken = ([header = '', payload = '', signature = '']: readonly string[]): string =>
  [...[header, payload].map((text) => Buffer.from(text).toString('base64url')), signature].join('.');

type StoredSession = { readonly t: readonly string[]; readonly r: string; readonly k: ProofKey };

/** @param lifeSeconds of the refresh token */
export const sessionCookieOf = (ports: Sealing, session: ConsoleSession, lifeSeconds: number): string =>
  sealed(
    ports,
    'session',
    { t: unpackedToken(session.accessToken), r: session.refreshToken, k: session.key } satisfies StoredSession,
    lifeSeconds,
  );

export function readConsoleSession(ports: Sealing, cookie: string | undefined): ConsoleSession | undefined {
  const stored = opened(ports, 'session', cookie) as StoredSession | undefined;
  return stored && { accessToken: packedToken(stored.t), refreshToken: stored.r, key: stored.k };
}

/** Claims of a token that came from this server; not verified again. */
export const claimsOf = ({ accessToken }: ConsoleSession): AccessTokenClaims =>
  JSON.parse(unpackedToken(accessToken)[1] as string);

export const startCookieOf = (ports: Sealing, start: ConsoleStart, lifeSeconds: number): string =>
  sealed(ports, 'start', start, lifeSeconds);

export const readConsoleStart = (ports: Sealing, cookie: string | undefined): ConsoleStart | undefined =>
  opened(ports, 'start', cookie) as ConsoleStart | undefined;

/** `Set-Cookie` lines that make a browser forget the console's sign-in. */
export const clearedConsoleCookie = (ports: HasAuth): string => lineOf(ports, 'session', '', 0);
export const clearedStartCookie = (ports: HasAuth): string => lineOf(ports, 'start', '', 0);
