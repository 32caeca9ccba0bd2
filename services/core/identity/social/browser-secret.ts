import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Random } from '#services/core/ports.ts';
import type { Auth } from '../sessions/auth.ts';
import { cookieValue } from '../sessions/csrf.ts';
import type { Proof } from './providers.ts';

/** Seconds between leaving for the provider and coming back. */
export const ATTEMPT_SECONDS = 600;

const COOKIE = 'sallyport.social';
const SECRET_FORM = /^[\w-]{43}$/;

const nameOf = ({ browser }: Pick<Auth, 'browser'>): string => `${browser.secureCookies ? '__Host-' : ''}${COOKIE}`;

export function browserSecretIn(auth: Pick<Auth, 'browser'>, cookieHeader: string | undefined): string | null {
  const value = cookieValue(cookieHeader, nameOf(auth)) ?? '';
  return SECRET_FORM.test(value) ? value : null;
}

/** Tabs of one browser share its secret, so that one attempt does not invalidate another. */
export const browserSecretFor = (
  { auth, random }: { readonly auth: Pick<Auth, 'browser'>; readonly random: Pick<Random, 'bytes'> },
  cookieHeader: string | undefined,
): string => browserSecretIn(auth, cookieHeader) ?? random.bytes(32).toString('base64url');

/** Lax: the cookie must be sent when the provider redirects the browser back. */
export const browserSecretCookie = (auth: Pick<Auth, 'browser'>, secret: string): string =>
  `${nameOf(auth)}=${secret}; Path=/; Max-Age=${ATTEMPT_SECONDS}; HttpOnly; SameSite=Lax${auth.browser.secureCookies ? '; Secure' : ''}`;

export const hashOf = (purpose: 'state' | 'browser', text: string): Buffer =>
  createHash('sha256').update(`social ${purpose}\0${text}`).digest();

export const isBrowser = (secret: string, hash: Buffer): boolean => timingSafeEqual(hashOf('browser', secret), hash);

/**
 * PKCE verifier (RFC 7636 §4.1) and nonce of one attempt, derived from the browser's secret and the state. An attacker
 * with only one of the two can derive neither, and neither is stored.
 */
export function proofOf(secret: string, state: string): Proof {
  const derived = (use: string): string => createHmac('sha256', secret).update(`${use}\0${state}`).digest('base64url');
  return { codeVerifier: derived('code_verifier'), nonce: derived('nonce') };
}
