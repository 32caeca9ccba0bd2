import { ownAccount } from '../../domain/identity/accounts/own-account.ts';
import { loginLocked } from '../../domain/identity/errors.ts';
import type { MailPorts } from '../../domain/identity/mail/queue-mail.ts';
import { assertOwnPage } from '../../domain/identity/sessions/csrf.ts';
import { listLinkedAccounts, unlinkAccount } from '../../domain/identity/social/linked-accounts.ts';
import type { HasSocialProviders } from '../../domain/identity/social/providers.ts';
import {
  linkSocialEndpoint,
  listAccountsEndpoint,
  listSocialProvidersEndpoint,
  signInSocialEndpoint,
  socialCallbackEndpoint,
  socialCallbackFormEndpoint,
  unlinkAccountEndpoint,
} from '../../domain/identity/social/social-contract.ts';
import { socialProviderUnknown } from '../../domain/identity/social/social-errors.ts';
import type { StartedSocial } from '../../domain/identity/social/start-social-sign-in.ts';
import { NO_NEXT } from '../../domain/oauth/authorize/next-path.ts';
import { isAppError } from '../../platform/define/error.ts';
import { type Answer, answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { wantsPage } from '../pages/browser-form.ts';
import type { People } from '../people/people.ts';
import { type LoginPagesPorts, showLogin } from './login-pages.ts';

export type SocialRoutesDeps = LoginPagesPorts & MailPorts & HasSocialProviders;

const begun = ({ url, setCookie }: StartedSocial): Answer => answer(200, { url }, { 'set-cookie': setCookie });

/** Signing in and linking by other providers; the providers are asked in the thread of people. */
export function socialRoutes(routes: RouteContext, deps: SocialRoutesDeps, people: People): void {
  bind(routes, listSocialProvidersEndpoint, () => ({ providers: deps.socialProviders.names }));
  bind(routes, signInSocialEndpoint, async ({ body }, caller, { headers }) => {
    assertOwnPage(deps, headers);
    const input = { provider: body.provider, callbackUrl: body.callbackURL, cookie: headers.cookie };
    return begun(await people.startSocialSignIn(input, caller));
  });
  bind(routes, linkSocialEndpoint, async ({ body }, caller, { headers }) => {
    const linkUserId = ownAccount(caller).userId;
    const input = { provider: body.provider, callbackUrl: body.callbackURL, linkUserId, cookie: headers.cookie };
    return begun(await people.startSocialSignIn(input, caller));
  });
  bind(routes, socialCallbackEndpoint, async ({ params, query }, caller, request) => {
    // What the provider refused has no code, whatever else it says.
    const code = query.error === undefined ? query.code : undefined;
    const { state, iss: issuer } = query;
    const input = { provider: params.provider, state, code, issuer, cookie: request.headers.cookie };
    try {
      const { result, callbackUrl, setCookie } = await people.handleOAuthCallback(input, caller);
      return callbackUrl === null
        ? answer(200, result ?? { linked: true }, { 'set-cookie': setCookie })
        : answer(303, null, { location: callbackUrl, 'set-cookie': setCookie });
    } catch (error) {
      // Whoever is shown out here by the provider is told what does let them in, where the rest of it is.
      if (isAppError(error) && error.code === loginLocked.definition.code && wantsPage(request))
        return showLogin(deps, request, NO_NEXT, { email: '', error });
      throw error;
    }
  });
  bind(routes, socialCallbackFormEndpoint, ({ params: { provider }, body }) => {
    if (!deps.socialProviders.provider(provider)) throw socialProviderUnknown();
    // What else a provider sends stays out of the address.
    const { state, code, error, iss } = body;
    const given = Object.entries({ state, code, error, iss }).filter(([, value]) => value !== undefined);
    const query = new URLSearchParams(given as [string, string][]);
    return answer(303, null, { location: `/api/auth/callback/${provider}?${query}` });
  });
  bind(routes, listAccountsEndpoint, (input, caller) => listLinkedAccounts(deps, input, caller));
  bind(routes, unlinkAccountEndpoint, ({ body }, caller) => unlinkAccount(deps, body, caller));
}
