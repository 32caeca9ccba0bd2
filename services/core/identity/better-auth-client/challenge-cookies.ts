import { challengeOver, passkeyRefused } from '../contracts/factors-errors.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { cookieValue } from '../sessions/csrf.ts';

/**
 * Better Auth's client keeps no challenge between two calls: a cookie carries it, as with a server of Better Auth. Our
 * own endpoints have it in the body. Lifetimes are those of the challenges.
 */
const KINDS = {
  second_factor: { name: 'better-auth.two_factor', seconds: 600 },
  passkey: { name: 'better-auth-passkey', seconds: 300 },
} as const;

type Kind = keyof typeof KINDS;

const nameOf = ({ browser }: HasAuth['auth'], kind: Kind): string =>
  `${browser.secureCookies ? '__Host-' : ''}${KINDS[kind].name}`;

const line = ({ auth }: HasAuth, kind: Kind, value: string, seconds: number): string =>
  `${nameOf(auth, kind)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${auth.browser.secureCookies ? '; Secure' : ''}`;

/** `Set-Cookie` that keeps a challenge for the next call. */
export const challengeCookie = (deps: HasAuth, kind: Kind, challenge: string): string =>
  line(deps, kind, encodeURIComponent(challenge), KINDS[kind].seconds);

/** `Set-Cookie` that makes the browser forget a challenge. */
export const noChallengeCookie = (deps: HasAuth, kind: Kind): string => line(deps, kind, '', 0);

const challengeOf = ({ auth }: HasAuth, kind: Kind, cookie: string | undefined): string | undefined =>
  cookieValue(cookie, nameOf(auth, kind)) || undefined;

export const hasSecondFactorChallenge = (deps: HasAuth, cookie: string | undefined): boolean =>
  challengeOf(deps, 'second_factor', cookie) !== undefined;

/** Throws `challenge_over` (401) without one. */
export function secondFactorChallenge(deps: HasAuth, cookie: string | undefined): string {
  const challenge = challengeOf(deps, 'second_factor', cookie);
  if (challenge === undefined) throw challengeOver();
  return challenge;
}

/** Throws `passkey_refused` (401) without one. */
export function passkeyChallenge(deps: HasAuth, cookie: string | undefined): string {
  const challenge = challengeOf(deps, 'passkey', cookie);
  if (challenge === undefined) throw passkeyRefused();
  return challenge;
}
