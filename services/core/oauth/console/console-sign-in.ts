import { hash, timingSafeEqual } from 'node:crypto';
import type { HasPublicAddress } from '#services/core/access/server-metadata.ts';
import { CONSOLE_CLIENT_ID } from '#services/core/authority/callers.ts';
import type { HasAuth } from '#services/core/identity/sessions/auth.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { answerTokenRequest, type TokenRequest, type TokenRequestPorts } from '../answer-token-request.ts';
import { oauthTokenEndpoint } from '../contract.ts';
import { callbackOf, consoleCaller, consoleClient } from './console-client.ts';
import { newProofKey, type ProofKey, proofOf, thumbprintOf } from './console-proof.ts';
import { clearedStartCookie, readConsoleStart, sessionCookieOf, startCookieOf } from './console-session.ts';

export type ConsoleSignInPorts = TokenRequestPorts & HasAuth & HasPublicAddress & Pick<Ports, 'vault' | 'random'>;

/** Time for the user to complete the sign-in pages, seconds. */
const START_SECONDS = 3_600;
const SECRET_BYTES = 32;
const HOME = '/console';
/** A path of the console, with its query; no part begins with a dot, encoded or not. */
const PLACE = /^\/console(\/[a-z-]+(\/(?!\.|%2[eE])[\w.~%@:+-]+)*)?(\?[\w.~%@:+=&,/-]*)?$/;
const NO_PLACE = /^\/console\/(api|assets|callback|sign-in|sign-out|session)(\/|\?|$)/;

/** Where to go after the sign-in: a page of the console, never another address (CWE-601). */
export const consolePlace = (path: string | undefined): string =>
  path !== undefined && path.length <= 1_024 && PLACE.test(path) && !NO_PLACE.test(path) ? path : HOME;

/** Where the browser goes next, and the cookies to set. */
type ConsoleStep = { readonly location: string; readonly setCookie: readonly string[] };

/**
 * Begins a sign-in at the console: an authorization request with PKCE and the thumbprint of a new DPoP
 * key, so that its code is of use to this sign-in only (RFC 7636, RFC 9449 §10). @param input.isFresh asks the user to sign in again, as acts with a step-up need it
 */
export function beginConsoleSignIn(
  ports: ConsoleSignInPorts,
  { returnTo, isFresh }: { readonly returnTo: string | undefined; readonly isFresh: boolean },
): ConsoleStep {
  const secret = (): string => ports.random.bytes(SECRET_BYTES).toString('base64url');
  const start = {
    state: secret(),
    verifier: secret(),
    key: newProofKey(),
    returnTo: consolePlace(returnTo),
    expiresAtMs: ports.clock.now() + START_SECONDS * 1_000,
  };
  const query = new URLSearchParams({
    client_id: CONSOLE_CLIENT_ID,
    redirect_uri: callbackOf(ports),
    response_type: 'code',
    scope: consoleClient(ports).scopes.join(' '),
    state: start.state,
    code_challenge: hash('sha256', start.verifier, 'base64url'),
    code_challenge_method: 'S256',
    dpop_jkt: thumbprintOf(start.key),
    ...(isFresh ? { prompt: 'login' } : {}),
  });
  return { location: `/oauth2/authorize?${query}`, setCookie: [startCookieOf(ports, start, START_SECONDS)] };
}

/** Requests tokens as the console. Throws what the token endpoint throws. */
export async function grantToConsole(
  ports: ConsoleSignInPorts,
  request: TokenRequest,
  key: ProofKey,
  caller: Caller,
): Promise<{ readonly accessToken: string; readonly refreshToken: string; readonly lifeSeconds: number }> {
  const htu = `${ports.publicUrl}${oauthTokenEndpoint.path}`;
  const proof = await proofOf(ports, key, { htm: 'POST', htu });
  const answer = await answerTokenRequest(ports, request, consoleCaller(ports, caller), { proof, htm: 'POST', htu });
  // The client may use both grants, so it always gets a refresh token.
  const tokens = answer as typeof answer & { refresh_token: string; refresh_expires_in: number };
  return {
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token,
    lifeSeconds: tokens.refresh_expires_in,
  };
}

type ConsoleReturn = {
  readonly code?: string | undefined;
  readonly state?: string | undefined;
  readonly error?: string | undefined;
};

const isSame = (a: string, b: string): boolean =>
  timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'));

/**
 * Ends a sign-in at the console: exchanges the code, and returns to the page where it began. A response of another sign-in
 * begins again, once more in the same browser; null if that browser began none, because it keeps no cookies or an hour
 * has passed. `refused`: the user or the server ended the sign-in.
 * Throws `signing_unavailable`, `state_rewound`, `store_unavailable` (503).
 */
export async function finishConsoleSignIn(
  ports: ConsoleSignInPorts,
  { code, state, error }: ConsoleReturn,
  cookie: string | undefined,
  caller: Caller,
): Promise<ConsoleStep | 'refused' | null> {
  const start = readConsoleStart(ports, cookie);
  if (start === undefined || start.expiresAtMs < ports.clock.now()) return null;
  const again = (): ConsoleStep => ({
    location: `/console/sign-in?${new URLSearchParams({ return: start.returnTo })}`,
    setCookie: [clearedStartCookie(ports)],
  });
  if (state === undefined || !isSame(state, start.state)) return again();
  if (error !== undefined || code === undefined) return 'refused';
  const redeemed = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: callbackOf(ports),
    code_verifier: start.verifier,
  };
  try {
    const granted = await grantToConsole(ports, redeemed, start.key, caller);
    const session = { ...granted, key: start.key };
    return {
      location: start.returnTo,
      setCookie: [sessionCookieOf(ports, session, granted.lifeSeconds), clearedStartCookie(ports)],
    };
  } catch (err) {
    // The code is used, expired or of a session that has ended.
    if (isAppError(err) && err.definition.status < 500) return again();
    throw err;
  }
}
