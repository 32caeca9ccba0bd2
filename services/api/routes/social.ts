import type { FastifyRequest } from 'fastify';
import { ownAccount } from '#services/core/authority/own-account.ts';
import { loginLocked } from '#services/core/identity/contracts/sign-in-errors.ts';
import {
  linkSocialEndpoint,
  listAccountsEndpoint,
  listSocialProvidersEndpoint,
  signInSocialEndpoint,
  socialCallbackEndpoint,
  socialCallbackFormEndpoint,
  unlinkAccountEndpoint,
} from '#services/core/identity/contracts/social-contract.ts';
import { socialProviderUnknown } from '#services/core/identity/contracts/social-errors.ts';
import type { MailPorts } from '#services/core/identity/mail/queue-mail.ts';
import { assertOwnPage } from '#services/core/identity/sessions/csrf.ts';
import { handleOAuthCallback } from '#services/core/identity/social/handle-oauth-callback.ts';
import { listLinkedAccounts, unlinkAccount } from '#services/core/identity/social/linked-accounts.ts';
import { type StartedSocial, startSocialSignIn } from '#services/core/identity/social/start-social-sign-in.ts';
import { formNext, NO_NEXT } from '#services/core/oauth/authorize/next-path.ts';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { bind, type RouteContext } from '../bind.ts';
import { wantsPage } from '../requests/browser-form.ts';
import { askedFactor, type SignInPagesPorts, showCode, showSignIn } from './sign-in-pages.ts';

type SocialRoutesDeps = SignInPagesPorts & MailPorts;

const begun = ({ url, setCookie }: StartedSocial, isFollowed = false): Answer =>
  answer(200, { url, redirect: !isFollowed }, { 'set-cookie': setCookie });

/**
 * Path at which a browser that returns from a provider continues if it is not signed in yet: one of our pages, because a
 * browser navigation should not show JSON. Null if only the error can be shown.
 */
function goOnHere(deps: SocialRoutesDeps, request: FastifyRequest, error: AppError): Promise<Answer> | null {
  const { callbackURL = NO_NEXT } = error.options.members ?? {};
  const asked = askedFactor(error);
  if (asked !== null)
    return showCode(deps, request, { next: formNext(deps.auth.browser, String(callbackURL)), ...asked });
  return error.code === loginLocked.definition.code
    ? showSignIn(deps, request, NO_NEXT, { again: { email: '', error } })
    : null;
}

export function socialRoutes(routes: RouteContext, deps: SocialRoutesDeps): void {
  bind(routes, listSocialProvidersEndpoint, () => ({ providers: deps.socialProviders.names }));
  bind(routes, signInSocialEndpoint, async ({ body }, caller, { headers }) => {
    assertOwnPage(deps, headers);
    const input = { provider: body.provider, callbackUrl: body.callbackURL, cookie: headers.cookie };
    return begun(await startSocialSignIn(deps, input, caller), body.disableRedirect);
  });
  bind(routes, linkSocialEndpoint, async ({ body }, caller, { headers }) => {
    const linkUserId = ownAccount(caller).userId;
    const input = { provider: body.provider, callbackUrl: body.callbackURL, linkUserId, cookie: headers.cookie };
    return begun(await startSocialSignIn(deps, input, caller), body.disableRedirect);
  });
  bind(routes, socialCallbackEndpoint, async ({ params, query }, caller, request) => {
    // An error response of the provider carries no authorization code, whatever other parameters it has.
    const code = query.error === undefined ? query.code : undefined;
    const { state, iss: issuer } = query;
    const input = { provider: params.provider, state, code, issuer, cookie: request.headers.cookie };
    try {
      const { result, callbackUrl, setCookie } = await handleOAuthCallback(deps, input, caller);
      return callbackUrl === null
        ? answer(200, result ?? { linked: true }, { 'set-cookie': setCookie })
        : answer(303, null, { location: callbackUrl, 'set-cookie': setCookie });
    } catch (error) {
      const page = isAppError(error) && wantsPage(request) ? await goOnHere(deps, request, error) : null;
      if (page === null) throw error;
      return page;
    }
  });
  bind(routes, socialCallbackFormEndpoint, ({ params: { provider }, body }) => {
    if (!deps.socialProviders.provider(provider)) throw socialProviderUnknown();
    // Other parameters that a provider sends are kept out of the address.
    const { state, code, error, iss } = body;
    const given = Object.entries({ state, code, error, iss }).filter(([, value]) => value !== undefined);
    const query = new URLSearchParams(given as [string, string][]);
    return answer(303, null, { location: `/api/auth/callback/${provider}?${query}` });
  });
  bind(routes, listAccountsEndpoint, async (_input, caller) => (await listLinkedAccounts(deps, {}, caller)).accounts);
  bind(routes, unlinkAccountEndpoint, async ({ body }, caller) => {
    await unlinkAccount(deps, 'providerId' in body ? body : { id: body.accountId }, caller);
    return { status: true };
  });
}
