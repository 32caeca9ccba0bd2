import type { FastifyRequest } from 'fastify';
import type { Client } from '#services/core/access/access-directory.ts';
import { scopeWordsOf } from '#services/core/access/application-rights.ts';
import { logoPathOf } from '#services/core/access/client-logo.ts';
import { readClientLogoEndpoint } from '#services/core/access/logo-contract.ts';
import { readClientLogo } from '#services/core/access/read-client-logo.ts';
import { queryOfForm, readParameters } from '#services/core/oauth/authorize/authorization-parameters.ts';
import { authorize } from '#services/core/oauth/authorize/authorize.ts';
import { type AuthorizeStep, type ClientAnswer, refusedStep } from '#services/core/oauth/authorize/authorize-step.ts';
import { decideConsent } from '#services/core/oauth/authorize/decide-consent.ts';
import { formActionSource } from '#services/core/oauth/authorize/match-redirect-uri.ts';
import { authorizePathFor, safeNext, signInPathFor } from '#services/core/oauth/authorize/next-path.ts';
import { admitDocumentClient, type DocumentClientPorts } from '#services/core/oauth/clients/admit-document-client.ts';
import { authorizeEndpoint, decideConsentEndpoint, sendAuthorizationEndpoint } from '#services/core/oauth/contract.ts';
import {
  answerDeviceGrant,
  type DeviceStep,
  showDeviceGrant,
} from '#services/core/oauth/devices/decide-device-grant.ts';
import { answerDeviceGrantEndpoint, showDeviceGrantEndpoint } from '#services/core/oauth/devices/device-contract.ts';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import { shownUserCode } from '#services/core/shared/user-codes.ts';
import { detailsOf } from '#services/core/tokens/authorization-details.ts';
import {
  consentPage,
  deviceCodePage,
  deviceConfirmPage,
  deviceDonePage,
  formPostPage,
  hostOf,
  leavePage,
  requestErrorPage,
  type Unvetted,
} from '#services/pages/pages.ts';
import { shownDetails } from '#services/pages/shown-details.ts';
import { bind, bindPage, type RouteContext } from '../bind.ts';
import { expiredForm, goTo, isOwnForm, showPage, tieForm } from '../requests/browser-form.ts';
import { signOutHere } from '../requests/sign-out-here.ts';
import { type AccountPagesPorts, accountPagesRoutes } from './account-pages.ts';
import { type LogoutPagesPorts, logoutPagesRoutes } from './logout-pages.ts';
import { type OwnAccountPagesPorts, ownAccountPagesRoutes } from './own-account-pages.ts';
import { type SignInPagesPorts, signInPagesRoutes } from './sign-in-pages.ts';

type OAuthPagesPorts = DocumentClientPorts &
  SignInPagesPorts &
  AccountPagesPorts &
  OwnAccountPagesPorts &
  LogoutPagesPorts;

const queryOf = (request: FastifyRequest): string => {
  const mark = request.url.indexOf('?');
  return mark < 0 ? '' : request.url.slice(mark + 1);
};

const unvettedOf = ({ origin, clientId }: Client): Unvetted | null =>
  origin === 'admin' ? null : { address: origin === 'document' ? new URL(clientId).host : null };

/** Where the form of a response leads; a redirect has none. */
const targetsOf = (answer: ClientAnswer) =>
  answer.kind === 'form-post' ? { formTargets: [formActionSource(answer.action)] } : {};

/** The page or redirect of a step. @param query of the authorization request, for the consent form */
function showStep(ports: OAuthPagesPorts, step: AuthorizeStep, query: string, request: FastifyRequest): Answer {
  switch (step.kind) {
    case 'page-error':
      return showPage(
        400,
        requestErrorPage(() => step.why),
      );
    case 'leave':
      return showPage(400, leavePage(step.why, step.answer), targetsOf(step.answer));
    case 'redirect':
      return goTo(step.location);
    case 'form-post':
      return showPage(200, formPostPage(step), targetsOf(step));
    case 'sign-in':
      return goTo(signInPathFor(step.query));
    case 'consent': {
      const { client, redirectUri, scopes } = step.request;
      const { token, setCookie } = tieForm(ports, request, query);
      const page = consentPage({
        formToken: token,
        query,
        clientName: client.name,
        clientHost: hostOf(redirectUri),
        logoPath: logoPathOf(client),
        clientUri: client.client_uri,
        unvetted: unvettedOf(client),
        email: step.live.user.email,
        scopes,
        words: scopeWordsOf(ports, scopes),
        details: shownDetails(ports, detailsOf(step.request.details)),
      });
      return showPage(200, page, { setCookie, formTargets: [formActionSource(redirectUri)] });
    }
  }
}

function showDevice(ports: OAuthPagesPorts, step: DeviceStep, request: FastifyRequest): Answer {
  switch (step.kind) {
    case 'sign-in':
      return goTo(
        `/login?${new URLSearchParams({ next: safeNext(request.method === 'GET' ? request.url : '/device') })}`,
      );
    case 'ask-code':
      return showPage(step.isUnknown ? 400 : 200, deviceCodePage(step.isUnknown));
    case 'confirm': {
      const { token, setCookie } = tieForm(ports, request);
      const { client, scopes, live } = step;
      const about = {
        userCode: shownUserCode(step.userCode),
        clientName: client.name,
        logoPath: logoPathOf(client),
        unvetted: unvettedOf(client),
        email: live.user.email,
        scopes,
        words: scopeWordsOf(ports, scopes),
        details: shownDetails(ports, detailsOf(step.details)),
      };
      return showPage(200, deviceConfirmPage({ formToken: token, ...about }), { setCookie });
    }
    case 'done':
      return showPage(200, deviceDonePage(step.isAllowed));
  }
}

/** A browser that opens the logo by itself gets an image that can do nothing. */
const LOGO_HEADERS = {
  'content-type': 'image/png',
  'content-security-policy': "default-src 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
};

const listOf = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat());

/** Pages of the authorization server: plain HTML that works without script. */
export function oauthPagesRoutes(routes: RouteContext, ports: OAuthPagesPorts): void {
  signInPagesRoutes(routes, ports);
  accountPagesRoutes(routes, ports);
  ownAccountPagesRoutes(routes, ports);
  logoutPagesRoutes(routes, ports);
  bindPage(routes, authorizeEndpoint, async (_input, caller, request) => {
    const query = queryOf(request);
    const input = { query, cookie: request.headers.cookie };
    const step = (await admitDocumentClient(ports, input, caller)) ?? (await authorize(ports, input, caller));
    const refused = refusedStep(step);
    if (refused !== null) routes.onRefused?.(refused, request);
    return showStep(ports, step, query, request);
  });
  bind(routes, sendAuthorizationEndpoint, ({ body }) => {
    // A browser sends no cookie of ours with a form from another site (SameSite=Lax), but sends it with the GET that follows.
    const query = queryOfForm(body);
    return readParameters(query) === null
      ? showPage(
          400,
          requestErrorPage((texts) => texts.requestTooLong),
        )
      : goTo(authorizePathFor(query));
  });
  bindPage(routes, decideConsentEndpoint, async ({ body }, caller, request) => {
    if (!isOwnForm(ports, request, body.form_token, body.request)) return expiredForm();
    if (body.decision === 'switch')
      return goTo(safeNext(authorizePathFor(body.request)), await signOutHere(ports, request, caller));
    const { cookie } = request.headers;
    const decision = { query: body.request, isAllowed: body.decision === 'allow', scopes: listOf(body.scope), cookie };
    return showStep(ports, await decideConsent(ports, decision, caller), body.request, request);
  });
  bind(routes, readClientLogoEndpoint, async ({ params }) =>
    answer(200, await readClientLogo(ports, params.client_id), LOGO_HEADERS),
  );
  bindPage(routes, showDeviceGrantEndpoint, async ({ query }, _caller, request) => {
    const step = await showDeviceGrant(ports, { userCode: query.user_code, cookie: request.headers.cookie });
    return showDevice(ports, step, request);
  });
  bindPage(routes, answerDeviceGrantEndpoint, async ({ body }, caller, request) => {
    if (!isOwnForm(ports, request, body.form_token)) return expiredForm();
    if (body.decision === 'switch') {
      const next = `/device?${new URLSearchParams({ user_code: body.user_code })}`;
      return goTo(`/login?${new URLSearchParams({ next })}`, await signOutHere(ports, request, caller));
    }
    const answered = { userCode: body.user_code, isAllowed: body.decision === 'allow', cookie: request.headers.cookie };
    return showDevice(ports, await answerDeviceGrant(ports, answered, caller), request);
  });
}
