import { userOf } from '#services/core/authority/callers.ts';
import type { HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import {
  challengeCookie,
  hasSecondFactorChallenge,
  noChallengeCookie,
  secondFactorChallenge,
} from '#services/core/identity/better-auth-client/challenge-cookies.ts';
import {
  clientLiveSession,
  clientSessionRow,
  clientSignIn,
} from '#services/core/identity/better-auth-client/client-views.ts';
import { verifyOwnTotp } from '#services/core/identity/better-auth-client/verify-own-totp.ts';
import {
  generateBackupCodesEndpoint,
  listClientSessionsEndpoint,
  revokeClientSessionEndpoint,
  revokeClientSessionsEndpoint,
  revokeOtherClientSessionsEndpoint,
  verifyClientBackupCodeEndpoint,
  verifyClientTotpEndpoint,
} from '#services/core/identity/contracts/client-contract.ts';
import {
  getSessionEndpoint,
  signInEmailEndpoint,
  signOutAliasEndpoint,
  signUpEmailEndpoint,
  type TwoFactorRedirect,
} from '#services/core/identity/contracts/client-sign-in-contract.ts';
import { sessionUnknown } from '#services/core/identity/contracts/sign-in-errors.ts';
import { answerSecondFactor } from '#services/core/identity/factors/answer-second-factor.ts';
import { renewRecoveryCodes } from '#services/core/identity/factors/renew-recovery-codes.ts';
import { stepUp } from '#services/core/identity/factors/step-up.ts';
import { verifySentPassword } from '#services/core/identity/factors/verify-own-password.ts';
import { assertOwnPage, clearedCookies } from '#services/core/identity/sessions/csrf.ts';
import { endOwnSession, endOwnSessions, readOwnSessions } from '#services/core/identity/sessions/manage-sessions.ts';
import type { SignInAnswer } from '#services/core/identity/sessions/open-session.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import { signIn } from '#services/core/identity/sign-in/sign-in.ts';
import { signOut } from '#services/core/identity/sign-in/sign-out.ts';
import { type SignUpPorts, signUp } from '#services/core/identity/sign-in/sign-up.ts';
import { returnAddress, returnPage } from '#services/core/identity/social/return-address.ts';
import { type Answer, answer, JsonText } from '#services/core/shared/answer.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { secondFactorRequired } from '#services/platform/errors.ts';
import { bind, type RouteContext } from '../bind.ts';

/** A sign-in that stopped at the second factor; null for every other failure. */
function redirectOf(err: unknown): TwoFactorRedirect | null {
  if (!isAppError(err) || err.definition !== secondFactorRequired.definition) return null;
  const { challenge, factors } = err.options.members as { readonly challenge: string; readonly factors: string[] };
  const twoFactorMethods = factors.filter((each) => each === 'totp');
  return { twoFactorRedirect: true, twoFactorMethods, challenge, factors };
}

/**
 * What Better Auth's own client calls, with its shapes. The rules are those of our endpoints: the same use-cases, limits
 * and audit events.
 */
export function clientRoutes(routes: RouteContext, deps: SignUpPorts & HasStepUp & HasTokenSettings): void {
  const opened = (made: SignInAnswer, more: object = {}): Answer =>
    answer(
      200,
      { ...clientSignIn(made), ...more },
      { 'set-cookie': [...made.setCookie, noChallengeCookie(deps, 'second_factor')] },
    );

  bind(routes, signUpEmailEndpoint, async ({ body }, caller, { headers, signal }) => {
    assertOwnPage(deps, headers);
    const { email, password, name } = body;
    const page = returnPage(deps.auth.browser, deps.mailer.publicUrl, body.callbackURL);
    const key = headers['idempotency-key'];
    const idempotencyKey = key === undefined ? undefined : String(key);
    const asked = { email, password, name, page, cookie: headers.cookie, idempotencyKey, signal };
    const made = await signUp(deps, asked, caller);
    if ('status' in made.body) return answer(200, { ...made.body, token: null, user: null });
    return answer(201, clientSignIn(made as SignInAnswer), { 'set-cookie': made.setCookie });
  });
  bind(routes, signInEmailEndpoint, async ({ body }, caller, { headers, signal }) => {
    assertOwnPage(deps, headers);
    const { email, password } = body;
    const { callbackURL } = body;
    const url =
      callbackURL === undefined ? undefined : returnAddress(deps.auth.browser, deps.mailer.publicUrl, callbackURL);
    try {
      const made = await signIn(deps, { email, password, cookie: headers.cookie, signal }, caller);
      return opened(made, { redirect: url !== undefined, url });
    } catch (err) {
      const factor = redirectOf(err);
      if (factor === null) throw err;
      return answer(200, factor, { 'set-cookie': challengeCookie(deps, 'second_factor', factor.challenge) });
    }
  });
  bind(routes, signOutAliasEndpoint, async (_input, caller, { headers }) => {
    // A form of another site comes without the session cookie, but its answer would still make the browser forget it.
    assertOwnPage(deps, headers);
    if (userOf(caller) !== null) await signOut(deps, {}, caller);
    return answer(200, { success: true }, { 'set-cookie': clearedCookies(deps) });
  });
  bind(routes, getSessionEndpoint, async (_input, _caller, { headers }) => {
    const found = await findByCookie(deps, headers.cookie);
    return found === null ? new JsonText('null') : clientLiveSession(found);
  });

  bind(routes, listClientSessionsEndpoint, async (_input, caller) =>
    (await readOwnSessions(deps, caller)).map(clientSessionRow),
  );
  bind(routes, revokeClientSessionEndpoint, async ({ body }, caller) => {
    await endOwnSession(deps, { session_id: body.token }, caller).catch((err: unknown) => {
      if (!isAppError(err) || err.definition !== sessionUnknown.definition) throw err;
    });
    return { status: true };
  });
  bind(routes, revokeClientSessionsEndpoint, async (_input, caller) => {
    await endOwnSessions(deps, { keepsCurrent: false }, caller);
    return answer(200, { status: true }, { 'set-cookie': clearedCookies(deps) });
  });
  bind(routes, revokeOtherClientSessionsEndpoint, async (_input, caller) => {
    await endOwnSessions(deps, { keepsCurrent: true }, caller);
    return { status: true };
  });

  bind(routes, verifyClientTotpEndpoint, async ({ body: { code } }, caller, { headers, signal }) => {
    const { cookie } = headers;
    // The challenge goes first: the browser may still have a session when its user signs in anew.
    if (userOf(caller) !== null && !hasSecondFactorChallenge(deps, cookie))
      return opened(await verifyOwnTotp(deps, { code, cookie, signal }, caller));
    assertOwnPage(deps, headers);
    const challenge = secondFactorChallenge(deps, cookie);
    return opened(await answerSecondFactor(deps, { challenge, totp: code, cookie, signal }, caller));
  });
  bind(routes, verifyClientBackupCodeEndpoint, async ({ body: { code } }, caller, { headers, signal }) => {
    const { cookie } = headers;
    if (userOf(caller) !== null && !hasSecondFactorChallenge(deps, cookie))
      return opened(await stepUp(deps, { recoveryCode: code, cookie, signal }, caller));
    assertOwnPage(deps, headers);
    const challenge = secondFactorChallenge(deps, cookie);
    return opened(await answerSecondFactor(deps, { challenge, recoveryCode: code, cookie, signal }, caller));
  });
  bind(routes, generateBackupCodesEndpoint, async ({ body }, caller, { headers, signal }) => {
    await verifySentPassword(deps, { password: body.password, cookie: headers.cookie, signal }, caller);
    const { recovery_codes: recoveryCodes } = await renewRecoveryCodes(deps, {}, caller);
    return { status: true, backupCodes: recoveryCodes };
  });
}
