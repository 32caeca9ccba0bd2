import type { FastifyRequest } from 'fastify';
import { challengeOver, secondFactorRequired } from '../../domain/identity/factors-errors.ts';
import { findByCookie } from '../../domain/identity/read-session.ts';
import type { LoginPorts } from '../../domain/identity/sign-in.ts';
import type { AuthorizePorts } from '../../domain/oauth/admit-authorization.ts';
import { queryOfForm, readParameters } from '../../domain/oauth/authorization-parameters.ts';
import { authorize } from '../../domain/oauth/authorize.ts';
import type { AuthorizeStep } from '../../domain/oauth/authorize-step.ts';
import {
  answerDeviceGrantEndpoint,
  authorizeEndpoint,
  decideConsentEndpoint,
  sendAuthorizationEndpoint,
  sendLoginCodeEndpoint,
  sendLoginEndpoint,
  showDeviceGrantEndpoint,
  showLoginEndpoint,
} from '../../domain/oauth/contract.ts';
import { decideConsent } from '../../domain/oauth/decide-consent.ts';
import { answerDeviceGrant, type DeviceStep, showDeviceGrant } from '../../domain/oauth/decide-device-grant.ts';
import { shownUserCode } from '../../domain/oauth/device-codes.ts';
import { formActionSource } from '../../domain/oauth/match-redirect-uri.ts';
import { authorizePathFor, describeNext, loginPathFor, NO_NEXT, safeNext } from '../../domain/oauth/next-path.ts';
import type { Caller } from '../../domain/ports.ts';
import { type AppError, isAppError } from '../../platform/define/error.ts';
import { type Answer, answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { asPage, expiredForm, goTo, isOwnForm, showPage, tieForm } from '../pages/browser-form.ts';
import {
  codePage,
  consentPage,
  deviceCodePage,
  deviceConfirmPage,
  deviceDonePage,
  errorPage,
  loginPage,
  signedInPage,
} from '../pages/pages.ts';
import type { People } from '../people/people.ts';

export type OAuthPagesPorts = AuthorizePorts & LoginPorts;

const queryOf = (request: FastifyRequest): string => {
  const mark = request.url.indexOf('?');
  return mark < 0 ? '' : request.url.slice(mark + 1);
};

/** What a step looks like in the browser. @param query of the authorization request, for the consent form */
function showStep(ports: OAuthPagesPorts, step: AuthorizeStep, query: string, request: FastifyRequest): Answer {
  switch (step.kind) {
    case 'page-error':
      return showPage(400, errorPage('This request cannot be answered', step.why));
    case 'redirect':
      return goTo(step.location);
    case 'login':
      return goTo(loginPathFor(step.query));
    case 'consent': {
      const { client, redirectUri, scopes } = step.request;
      const { token, setCookie } = tieForm(ports, request);
      const { protocol, host } = new URL(redirectUri);
      const page = consentPage({
        formToken: token,
        query,
        clientName: client.name,
        clientHost: host === '' ? protocol : host,
        email: step.live.user.email,
        scopes,
      });
      return showPage(200, page, { setCookie, formTargets: [formActionSource(redirectUri)] });
    }
  }
}

async function showLogin(
  ports: OAuthPagesPorts,
  request: FastifyRequest,
  next: string,
  again?: { readonly email: string; readonly error: AppError },
): Promise<Answer> {
  const { formTargets, loginHint } = await describeNext(ports, next);
  const { token, setCookie } = tieForm(ports, request);
  const problem = again?.error.definition.title;
  const page = loginPage({ formToken: token, next, email: again?.email ?? loginHint ?? '', problem });
  const shown = showPage(again?.error.definition.status ?? 200, page, { setCookie, formTargets });
  return withRetryAfter(shown, again?.error);
}

function withRetryAfter(shown: Answer, error: AppError | undefined): Answer {
  const seconds = error?.options.retryAfterSeconds;
  if (seconds === undefined) return shown;
  return answer(shown.status, shown.body, { ...shown.headers, 'retry-after': String(Math.max(1, Math.ceil(seconds))) });
}

type LoginForm = {
  readonly form_token: string;
  readonly next: string;
  readonly email: string;
  readonly password: string;
};

async function sendLogin(
  ports: OAuthPagesPorts,
  people: People,
  form: LoginForm,
  caller: Caller,
  request: FastifyRequest,
): Promise<Answer> {
  if (!isOwnForm(ports, request, form.form_token)) return expiredForm();
  const next = safeNext(form.next);
  const { email, password } = form;
  try {
    const input = { email, password, cookie: request.headers.cookie, signal: request.signal };
    const { setCookie } = await people.signIn(input, caller);
    return goTo(next, setCookie);
  } catch (err) {
    if (!isAppError(err) || err.definition.status === 500) throw err;
    const challenge = err.options.members?.challenge;
    if (err.code === secondFactorRequired.definition.code && typeof challenge === 'string')
      return showCode(ports, request, { next, challenge });
    return showLogin(ports, request, next, { email, error: err });
  }
}

function showDevice(ports: OAuthPagesPorts, step: DeviceStep, request: FastifyRequest): Answer {
  switch (step.kind) {
    case 'login':
      return goTo(
        `/login?${new URLSearchParams({ next: safeNext(request.method === 'GET' ? request.url : '/device') })}`,
      );
    case 'ask-code':
      return showPage(step.isUnknown ? 400 : 200, deviceCodePage(step.isUnknown));
    case 'confirm': {
      const { token, setCookie } = tieForm(ports, request);
      const { client, scopes, live } = step;
      const about = { userCode: shownUserCode(step.userCode), clientName: client.name, email: live.user.email, scopes };
      return showPage(200, deviceConfirmPage({ formToken: token, ...about }), { setCookie });
    }
    case 'done':
      return showPage(200, deviceDonePage(step.isAllowed));
  }
}

type CodeForm = Omit<LoginForm, 'email' | 'password'> & { readonly challenge: string; readonly code: string };

async function showCode(
  ports: OAuthPagesPorts,
  request: FastifyRequest,
  asked: { readonly next: string; readonly challenge: string },
  error?: AppError,
): Promise<Answer> {
  const { token, setCookie } = tieForm(ports, request);
  const { formTargets } = await describeNext(ports, asked.next);
  const page = codePage({ ...asked, formToken: token, problem: error?.definition.title });
  return withRetryAfter(showPage(error?.definition.status ?? 200, page, { setCookie, formTargets }), error);
}

/** The code where a password alone opens nothing; without a challenge that still stands, from the start. */
async function sendCode(
  ports: OAuthPagesPorts,
  people: People,
  form: CodeForm,
  caller: Caller,
  request: FastifyRequest,
): Promise<Answer> {
  if (!isOwnForm(ports, request, form.form_token)) return expiredForm();
  const { challenge } = form;
  const next = safeNext(form.next);
  const typed = form.code.replaceAll(/\s/g, '');
  const code = /^\d{6}$/.test(typed) ? { totp: typed } : { recoveryCode: typed };
  try {
    const input = { challenge, ...code, cookie: request.headers.cookie, signal: request.signal };
    return goTo(next, (await people.answerSecondFactor(input, caller)).setCookie);
  } catch (err) {
    if (!isAppError(err) || err.definition.status === 500) throw err;
    if (err.code === challengeOver.definition.code) return showLogin(ports, request, next, { email: '', error: err });
    return showCode(ports, request, { next, challenge }, err);
  }
}

const listOf = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat());

/** Pages of the authorization server: plain HTML, no script. */
export function oauthPagesRoutes(routes: RouteContext, ports: OAuthPagesPorts, people: People): void {
  bind(routes, authorizeEndpoint, (_input, caller, request) =>
    asPage(async () => {
      const query = queryOf(request);
      const step = await authorize(ports, { query, cookie: request.headers.cookie }, caller);
      return showStep(ports, step, query, request);
    }),
  );
  bind(routes, sendAuthorizationEndpoint, ({ body }) => {
    // Sent from another site the form brings no cookie of ours (SameSite=Lax); the GET that follows does.
    const query = queryOfForm(body);
    return readParameters(query) === null
      ? showPage(400, errorPage('This request cannot be answered', 'The request is too long.'))
      : goTo(authorizePathFor(query));
  });
  bind(routes, decideConsentEndpoint, ({ body }, caller, request) =>
    asPage(async () => {
      if (!isOwnForm(ports, request, body.form_token)) return expiredForm();
      const { cookie } = request.headers;
      const decision = {
        query: body.request,
        isAllowed: body.decision === 'allow',
        scopes: listOf(body.scope),
        cookie,
      };
      return showStep(ports, await decideConsent(ports, decision, caller), body.request, request);
    }),
  );
  bind(routes, showLoginEndpoint, ({ query }, _caller, request) =>
    asPage(async () => {
      const next = safeNext(query.next);
      const live = next === NO_NEXT ? await findByCookie(ports, request.headers.cookie) : null;
      return live === null ? showLogin(ports, request, next) : showPage(200, signedInPage(live.user.email));
    }),
  );
  bind(routes, sendLoginEndpoint, ({ body }, caller, request) =>
    asPage(() => sendLogin(ports, people, body, caller, request)),
  );
  bind(routes, sendLoginCodeEndpoint, ({ body }, caller, request) =>
    asPage(() => sendCode(ports, people, body, caller, request)),
  );
  bind(routes, showDeviceGrantEndpoint, ({ query }, _caller, request) =>
    asPage(async () => {
      const step = await showDeviceGrant(ports, { userCode: query.user_code, cookie: request.headers.cookie });
      return showDevice(ports, step, request);
    }),
  );
  bind(routes, answerDeviceGrantEndpoint, ({ body }, caller, request) =>
    asPage(async () => {
      if (!isOwnForm(ports, request, body.form_token)) return expiredForm();
      const answered = {
        userCode: body.user_code,
        isAllowed: body.decision === 'allow',
        cookie: request.headers.cookie,
      };
      return showDevice(ports, await answerDeviceGrant(ports, answered, caller), request);
    }),
  );
}
