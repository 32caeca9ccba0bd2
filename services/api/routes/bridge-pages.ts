import { hash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { returnAddress } from '#services/core/identity/social/return-address.ts';
import { formNext, pathWithNext } from '#services/core/oauth/authorize/next-path.ts';
import { bridgeConfirmPage, bridgePage, bridgeRefusedPage } from '#services/pages/bridge-page.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { sendBridgeEndpoint, showBridgeEndpoint } from '#services/wings/import/bridge/bridge-contract.ts';
import {
  type ExchangePorts,
  exchangeLegacySession,
  type LegacyAccount,
  showLegacyAccount,
} from '#services/wings/import/bridge/exchange-legacy-session.ts';
import { bindPage, type RouteContext } from '../bind.ts';
import { expiredForm, goTo, type HasForms, isOwnForm, showPage, tieForm } from '../requests/browser-form.ts';
import { askedFactor, type SignInPagesPorts, showCode } from './sign-in-pages.ts';

type BridgePagesPorts = ExchangePorts & SignInPagesPorts & HasForms & { readonly publicUrl: string };

const ACCOUNT = '/account';

/** An allowed address. Throws `callback_refused` (400). */
const returnOf = ({ auth, publicUrl }: BridgePagesPorts, asked: string | undefined): string =>
  asked === undefined ? ACCOUNT : returnAddress(auth.browser, new URL(publicUrl).origin, asked);

const signInPath = ({ auth }: BridgePagesPorts, returnTo: string): string =>
  pathWithNext('/login', formNext(auth.browser, returnTo));

/** The origin of another site that sent the form. */
const senderOf = ({ publicUrl }: BridgePagesPorts, { headers: { origin } }: FastifyRequest): string | undefined =>
  origin === new URL(publicUrl).origin ? undefined : origin;

/** What a user agrees to by the button that names the account. */
const consentTo = (token: string, { userId }: LegacyAccount): string =>
  `bridge ${userId} ${hash('sha256', token, 'base64url')}`;

type Confirmation = {
  readonly token: string;
  readonly returnTo: string;
  readonly email: string;
  readonly about: string;
};

/** Names the account before its session opens: the token of another user could be in the link. */
function confirm(ports: BridgePagesPorts, request: FastifyRequest, { token, returnTo, email, about }: Confirmation) {
  const { token: formToken, setCookie } = tieForm(ports, request, about);
  const page = bridgeConfirmPage({ formToken, returnTo, signInPath: signInPath(ports, returnTo), token, email });
  const formTargets = returnTo.startsWith('/') ? [] : [new URL(returnTo).origin];
  return showPage(200, page, { setCookie, formTargets });
}

/** The page that carries a session of the old provider over, for applications that have only links and forms. */
export function bridgePagesRoutes(routes: RouteContext, ports: BridgePagesPorts): void {
  bindPage(routes, showBridgeEndpoint, async ({ query }, _caller, request) => {
    const returnTo = returnOf(ports, query.return_to);
    const { token, setCookie } = tieForm(ports, request);
    const page = bridgePage({ formToken: token, returnTo, signInPath: signInPath(ports, returnTo) });
    return showPage(200, page, { setCookie });
  });
  bindPage(routes, sendBridgeEndpoint, async ({ body }, caller, request) => {
    const { token, form_token: formToken = '' } = body;
    const sender = senderOf(ports, request);
    const isFirst = sender === undefined && isOwnForm(ports, request, formToken);
    // A listed application knows its user. A link to our page could come from anywhere.
    if (sender !== undefined && !ports.auth.browser.trustedOrigins.has(sender)) return expiredForm();
    const returnTo = returnOf(ports, body.return_to);
    try {
      if (sender === undefined) {
        const account = await showLegacyAccount(ports, { token }, caller);
        const about = consentTo(token, account);
        if (isFirst) return confirm(ports, request, { token, returnTo, email: account.email, about });
        if (!isOwnForm(ports, request, formToken, about)) return expiredForm();
      }
      const input = { token, cookie: request.headers.cookie };
      return goTo(returnTo, (await exchangeLegacySession(ports, input, caller)).setCookie);
    } catch (err) {
      if (!isAppError(err) || err.definition.status !== 401) throw err;
      const asked = askedFactor(err);
      if (asked !== null) return showCode(ports, request, { next: formNext(ports.auth.browser, returnTo), ...asked });
      return showPage(401, bridgeRefusedPage(signInPath(ports, returnTo)));
    }
  });
}
