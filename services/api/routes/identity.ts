import {
  readSessionEndpoint,
  signInEndpoint,
  signOutEndpoint,
  signUpEndpoint,
} from '#services/core/identity/contracts/sign-in-contract.ts';
import { assertOwnPage, clearedCookies } from '#services/core/identity/sessions/csrf.ts';
import { readSession } from '#services/core/identity/sessions/read-session.ts';
import { signIn } from '#services/core/identity/sign-in/sign-in.ts';
import { signOut } from '#services/core/identity/sign-in/sign-out.ts';
import { type SignUpPorts, signUp } from '#services/core/identity/sign-in/sign-up.ts';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import { bind, type RouteContext } from '../bind.ts';

const withCookies = (status: number, { body, setCookie }: { body: object; setCookie: readonly string[] }): Answer =>
  answer(status, body, { 'set-cookie': setCookie });

/** Users and sessions under our names; those of Better Auth are in `better-auth-client.ts`. */
export function identityRoutes(routes: RouteContext, deps: SignUpPorts): void {
  bind(routes, signUpEndpoint, async ({ body }, caller, { headers, signal }) => {
    assertOwnPage(deps, headers);
    const { email, password, name } = body;
    const key = headers['idempotency-key'];
    const idempotencyKey = key === undefined ? undefined : String(key);
    const made = await signUp(deps, { email, password, name, cookie: headers.cookie, idempotencyKey, signal }, caller);
    return withCookies('status' in made.body ? 200 : 201, made);
  });
  bind(routes, signInEndpoint, async ({ body }, caller, { headers, signal }) => {
    assertOwnPage(deps, headers);
    const { email, password } = body;
    return withCookies(200, await signIn(deps, { email, password, cookie: headers.cookie, signal }, caller));
  });
  bind(routes, signOutEndpoint, async (input, caller) =>
    answer(200, await signOut(deps, input.body, caller), { 'set-cookie': clearedCookies(deps) }),
  );
  bind(routes, readSessionEndpoint, (_input, _caller, request) =>
    readSession(deps, { cookie: request.headers.cookie }),
  );
}
