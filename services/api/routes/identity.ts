import {
  getSessionEndpoint,
  readSessionEndpoint,
  signInEmailEndpoint,
  signInEndpoint,
  signOutAliasEndpoint,
  signOutEndpoint,
  signUpEmailEndpoint,
  signUpEndpoint,
} from '#services/domain/identity/contract.ts';
import { assertOwnPage, clearedCookies } from '#services/domain/identity/sessions/csrf.ts';
import { readSession } from '#services/domain/identity/sessions/read-session.ts';
import { signIn } from '#services/domain/identity/sign-in/sign-in.ts';
import { signOut } from '#services/domain/identity/sign-in/sign-out.ts';
import { type SignUpPorts, signUp } from '#services/domain/identity/sign-in/sign-up.ts';
import { type Answer, answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';

const withCookies = (status: number, { body, setCookie }: { body: object; setCookie: readonly string[] }): Answer =>
  answer(status, body, { 'set-cookie': setCookie });

/** Users and sessions under our names and Better Auth's own; nothing else of Better Auth is reachable. */
export function identityRoutes(routes: RouteContext, deps: SignUpPorts): void {
  for (const endpoint of [signUpEndpoint, signUpEmailEndpoint])
    bind(routes, endpoint, async (input, caller, request) => {
      assertOwnPage(deps, request.headers);
      const { signal, headers } = request;
      const { email, password, name } = input.body;
      const key = headers['idempotency-key'];
      const idempotencyKey = key === undefined ? undefined : String(key);
      const asked = { email, password, name, cookie: headers.cookie, idempotencyKey, signal };
      const made = await signUp(deps, asked, caller);
      return withCookies('status' in made.body ? 200 : 201, made);
    });
  for (const endpoint of [signInEndpoint, signInEmailEndpoint])
    bind(routes, endpoint, async (input, caller, request) => {
      assertOwnPage(deps, request.headers);
      const { signal, headers } = request;
      const { email, password } = input.body;
      return withCookies(200, await signIn(deps, { email, password, cookie: headers.cookie, signal }, caller));
    });
  for (const endpoint of [signOutEndpoint, signOutAliasEndpoint])
    bind(routes, endpoint, async (input, caller) =>
      answer(200, await signOut(deps, input.body, caller), { 'set-cookie': clearedCookies(deps) }),
    );
  for (const endpoint of [readSessionEndpoint, getSessionEndpoint])
    bind(routes, endpoint, (_input, _caller, request) => readSession(deps, { cookie: request.headers.cookie }));
}
