import { CONSOLE_CLIENT_ID } from '#services/core/authority/callers.ts';
import type { Caller } from '#services/core/ports.ts';
import { revokeOAuthToken } from '#services/core/tokens/revoke/revoke-oauth-token.ts';
import type { RevokePorts } from '#services/core/tokens/revoke/revoke-token.ts';
import { bearerCaller } from '#services/core/tokens/verify/bearer-caller.ts';
import type { ValidatePorts } from '#services/core/tokens/verify/validate-token.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { consoleCaller } from './console-client.ts';
import { proofOf } from './console-proof.ts';
import {
  type ConsoleSession,
  claimsOf,
  clearedConsoleCookie,
  readConsoleSession,
  sessionCookieOf,
} from './console-session.ts';
import { type ConsoleSignInPorts, grantToConsole } from './console-sign-in.ts';

export type ConsoleAccessPorts = ConsoleSignInPorts & ValidatePorts & RevokePorts;

/** A live session of the console, and the cookie to set if its tokens are new. */
export type ConsoleAccess = { readonly session: ConsoleSession; readonly setCookie: readonly string[] };

/** A token with less left is refreshed before it is used, seconds. */
const LEAST_SECONDS = 20;

/** Requests of one copy that find the same token expired share one refresh. */
export type ConsoleRenewals = Map<string, Promise<ConsoleAccess | null>>;

/** Whether the access token is accepted now. Throws 503 when this copy cannot decide. */
function isUsable(ports: ConsoleAccessPorts, session: ConsoleSession, { request }: Caller): boolean {
  if (claimsOf(session).exp - ports.clock.now() / 1_000 < LEAST_SECONDS) return false;
  const unproved = { proof: '', htm: '', htu: '', isChecked: true } as const;
  return bearerCaller(ports, session.accessToken, request, unproved) !== null;
}

/** Null if the session has ended. Two copies that refresh at once get the same refresh token, by the grace of the family. */
async function renewed(
  ports: ConsoleAccessPorts,
  { refreshToken, key }: ConsoleSession,
  caller: Caller,
): Promise<ConsoleAccess | null> {
  try {
    const request = { grant_type: 'refresh_token', refresh_token: refreshToken };
    const granted = await grantToConsole(ports, request, key, caller);
    const session = { ...granted, key };
    return { session, setCookie: [sessionCookieOf(ports, session, granted.lifeSeconds)] };
  } catch (err) {
    if (isAppError(err) && err.definition.status < 500 && err.definition.status !== 429) return null;
    throw err;
  }
}

/**
 * The console's session of a browser, with a token that is accepted now; null if there is none or it has ended.
 * Throws 503 when this copy cannot decide.
 */
export async function consoleAccess(
  ports: ConsoleAccessPorts,
  renewals: ConsoleRenewals,
  cookie: string | undefined,
  caller: Caller,
): Promise<ConsoleAccess | null> {
  const session = readConsoleSession(ports, cookie);
  if (session === undefined) return null;
  if (isUsable(ports, session, caller)) return { session, setCookie: [] };
  const shared = renewals.get(session.refreshToken);
  if (shared !== undefined) return shared;
  const renewal = renewed(ports, session, caller).finally(() => renewals.delete(session.refreshToken));
  renewals.set(session.refreshToken, renewal);
  return renewal;
}

/** The headers that authenticate one request to the API as the user of the console. */
export async function consoleCredential(
  ports: ConsoleAccessPorts,
  { accessToken, key }: ConsoleSession,
  { method, path }: { readonly method: string; readonly path: string },
): Promise<{ readonly authorization: string; readonly dpop: string }> {
  const proof = await proofOf(ports, key, { htm: method, htu: `${ports.publicUrl}${path}`, accessToken });
  return { authorization: `DPoP ${accessToken}`, dpop: proof };
}

/** Who is signed in at the console, and what for. */
export function consoleUser(session: ConsoleSession) {
  const { sub, email, roles = [], permissions = [], auth_time: authTime, acr, sid } = claimsOf(session);
  return {
    user_id: sub,
    email: email ?? null,
    session_id: sid ?? null,
    roles: [...roles],
    permissions: [...permissions],
    auth_time: authTime ?? 0,
    has_two_factors: acr === 'aal2',
  };
}

/** Ends the token family of the console in this browser. @returns `Set-Cookie` lines */
export async function leaveConsole(
  ports: ConsoleAccessPorts,
  cookie: string | undefined,
  caller: Caller,
): Promise<string[]> {
  const session = readConsoleSession(ports, cookie);
  if (session !== undefined)
    await revokeOAuthToken(ports, session.refreshToken, CONSOLE_CLIENT_ID, consoleCaller(ports, caller));
  return [clearedConsoleCookie(ports)];
}
