import type { FastifyRequest } from 'fastify';
import { clearedCookies } from '#services/core/identity/sessions/csrf.ts';
import { sessionCallerOf } from '#services/core/identity/sessions/open-session.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import type { SignInPorts } from '#services/core/identity/sign-in/sign-in.ts';
import { signOut } from '#services/core/identity/sign-in/sign-out.ts';
import type { Caller } from '#services/core/ports.ts';

/**
 * Ends this browser's session, if it has one, and the session's tokens.
 * @returns `Set-Cookie` lines that clear its cookies
 */
export async function signOutHere(ports: SignInPorts, request: FastifyRequest, caller: Caller): Promise<string[]> {
  const live = await findByCookie(ports, request.headers.cookie);
  if (live !== null) await signOut(ports, {}, sessionCallerOf(live, ports, caller));
  return clearedCookies(ports);
}
