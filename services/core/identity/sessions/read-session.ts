import type { HasAccess } from '#services/core/access/access-directory.ts';
import type { Caller, RequestContext } from '#services/core/ports.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import type { SessionView, UserView } from '../contracts/sign-in-contract.ts';
import type { HasAuth } from './auth.ts';
import { cookieValue } from './csrf.ts';
import { type LiveSession, liveSessionView } from './live-session.ts';
import { sessionCallerOf } from './open-session.ts';

/** Returns the live session of a signed cookie, or null. By default, reading the session counts as a use. */
export async function findByCookie(
  { auth }: HasAuth,
  cookieHeader: string | undefined,
  isUse = true,
): Promise<LiveSession | null> {
  if (cookieHeader === undefined || cookieValue(cookieHeader, auth.browser.sessionCookie) === undefined) return null;
  return auth.findSession(cookieHeader, isUse);
}

/**
 * The user and session of a signed cookie.
 * @throws unauthenticated (401), storeUnavailable (503) if neither Redis nor Postgres answers
 */
export async function readSession(
  ports: HasAuth,
  input: { readonly cookie: string | undefined },
): Promise<{ user: UserView; session: SessionView }> {
  const found = await findByCookie(ports, input.cookie);
  if (!found) throw unauthenticated();
  return liveSessionView(found);
}

export async function sessionCaller(
  ports: HasAuth & HasAccess,
  cookieHeader: string | undefined,
  request: RequestContext,
  isUse = true,
): Promise<Caller | null> {
  const found = await findByCookie(ports, cookieHeader, isUse);
  return found && sessionCallerOf(found, ports, { request });
}
