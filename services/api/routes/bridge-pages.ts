import type { FastifyRequest } from 'fastify';
import { returnAddress } from '#services/domain/identity/social/return-address.ts';
import { sendBridgeEndpoint, showBridgeEndpoint } from '#services/domain/migration/bridge/bridge-contract.ts';
import {
  type ExchangePorts,
  exchangeLegacySession,
} from '#services/domain/migration/bridge/exchange-legacy-session.ts';
import { formNext, pathWithNext } from '#services/domain/oauth/authorize/next-path.ts';
import { bridgePage, bridgeRefusedPage } from '#services/pages/bridge-page.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { bind, type RouteContext } from '../bind.ts';
import { asPage, expiredForm, goTo, type HasForms, isOwnForm, showPage, tieForm } from '../requests/browser-form.ts';

export type BridgePagesPorts = ExchangePorts & HasForms & { readonly publicUrl: string };

const ACCOUNT = '/account';

/** An allowed address. Throws `callback_refused` (400). */
const returnOf = ({ auth, publicUrl }: BridgePagesPorts, asked: string | undefined): string =>
  asked === undefined ? ACCOUNT : returnAddress(auth.browser, new URL(publicUrl).origin, asked);

const signInPath = ({ auth }: BridgePagesPorts, returnTo: string): string =>
  pathWithNext('/login', formNext(auth.browser, returnTo));

/** Whether a page of ours or of a listed origin sent the form; a page of another site could sign its visitor in as another user. */
const isAllowed = (ports: BridgePagesPorts, request: FastifyRequest, formToken: string | undefined): boolean => {
  const { origin } = request.headers;
  const isListed = origin !== undefined && origin !== new URL(ports.publicUrl).origin;
  return isListed ? ports.auth.browser.trustedOrigins.has(origin) : isOwnForm(ports, request, formToken ?? '');
};

/** The page that carries a session of the old provider over, for applications that have only links and forms. */
export function bridgePagesRoutes(routes: RouteContext, ports: BridgePagesPorts): void {
  bind(routes, showBridgeEndpoint, ({ query }, _caller, request) =>
    asPage(async () => {
      const returnTo = returnOf(ports, query.return_to);
      const { token, setCookie } = tieForm(ports, request);
      const page = bridgePage({ formToken: token, returnTo, signInPath: signInPath(ports, returnTo) });
      const formTargets = returnTo.startsWith('/') ? [] : [new URL(returnTo).origin];
      return showPage(200, page, { setCookie, formTargets });
    }),
  );
  bind(routes, sendBridgeEndpoint, ({ body }, caller, request) =>
    asPage(async () => {
      if (!isAllowed(ports, request, body.form_token)) return expiredForm();
      const returnTo = returnOf(ports, body.return_to);
      try {
        const input = { token: body.token, cookie: request.headers.cookie };
        return goTo(returnTo, (await exchangeLegacySession(ports, input, caller)).setCookie);
      } catch (err) {
        if (!isAppError(err) || err.definition.status !== 401) throw err;
        return showPage(401, bridgeRefusedPage(signInPath(ports, returnTo)));
      }
    }),
  );
}
