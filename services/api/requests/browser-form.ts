import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { HasAuth } from '#services/core/identity/sessions/auth.ts';
import { cookieValue } from '#services/core/identity/sessions/csrf.ts';
import { formToken, type HasPageKeys, isFormToken } from '#services/core/oauth/authorize/page-seals.ts';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import type { FormPage } from '#services/pages/form-page.ts';
import { errorPage } from '#services/pages/pages.ts';
import { addressOf, problemAdvice, problemTitle } from '#services/pages/problems.ts';
import { notFoundPage } from '#services/pages/start-pages.ts';
import { isPage } from '#services/platform/define/endpoint.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { routeUnknown } from '#services/platform/errors.ts';
import { PageView } from './page-view.ts';

export type HasForms = HasAuth & HasPageKeys;

/** A day, so that a form left open overnight can still be submitted. */
const PAGE_COOKIE_SECONDS = 86_400;

const cookieName = ({ auth }: HasAuth): string => `${auth.browser.secureCookies ? '__Host-' : ''}sallyport.page`;

/** Binds a form to the browser that loaded it and to the user signed in in that browser. */
type FormTie = { readonly token: string; readonly setCookie: readonly string[] };

const sessionCookie = ({ auth }: HasAuth, request: FastifyRequest): string =>
  cookieValue(request.headers.cookie, auth.browser.sessionCookie) ?? '';

/**
 * Returns the form's binding token, and sets the page cookie if the browser has none.
 * @param about the request that the page shows, which its form sends back
 */
export function tieForm(ports: HasForms, request: FastifyRequest, about = ''): FormTie {
  const known = cookieValue(request.headers.cookie, cookieName(ports));
  const isKnown = known !== undefined && /^[\w-]{22}$/.test(known);
  const page = isKnown ? known : randomBytes(16).toString('base64url');
  const secure = ports.auth.browser.secureCookies ? '; Secure' : '';
  const line = `${cookieName(ports)}=${page}; Path=/; Max-Age=${PAGE_COOKIE_SECONDS}; HttpOnly; SameSite=Lax${secure}`;
  return {
    token: formToken(ports, { pageCookie: page, sessionCookie: sessionCookie(ports, request), about }),
    setCookie: isKnown ? [] : [line],
  };
}

/** Whether this browser loaded the form from one of our pages: its token matches, and no other Origin sent it. */
export function isOwnForm(ports: HasForms, request: FastifyRequest, token: string, about = ''): boolean {
  const { origin } = request.headers;
  if (origin !== undefined && !ports.auth.browser.trustedOrigins.has(origin)) return false;
  const pageCookie = cookieValue(request.headers.cookie, cookieName(ports)) ?? '';
  return isFormToken(ports, token, { pageCookie, sessionCookie: sessionCookie(ports, request), about });
}

export const showPage = (
  status: number,
  page: FormPage,
  { setCookie = [], formTargets = [] }: { setCookie?: readonly string[]; formTargets?: readonly string[] } = {},
): Answer => answer(status, new PageView(page, formTargets), setCookie.length === 0 ? {} : { 'set-cookie': setCookie });

/** Redirects to a GET after any method: a 307 would resend a password (RFC 9700 §4.12). */
export const goTo = (location: string, setCookie: readonly string[] = []): Answer =>
  answer(303, '', {
    location,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    ...(setCookie.length === 0 ? {} : { 'set-cookie': setCookie }),
  });

export const expiredForm = (): Answer =>
  showPage(
    403,
    errorPage(({ language: { texts } }) => ({
      title: texts.formExpired,
      why: texts.formExpiredWhy,
      advice: texts.beginAgain,
      link: { path: '/login', text: texts.signInAgain },
    })),
  );

const isUnknownRoute = ({ code }: AppError): boolean => code === routeUnknown.definition.code;

/** Shows an error to users: what went wrong, and what to do next. */
const problemOf = (error: AppError): Answer => {
  if (isUnknownRoute(error)) return showPage(404, notFoundPage);
  const address = addressOf(error);
  const page = errorPage(({ language, comesBack }) => ({
    title: problemTitle(error, language),
    advice: problemAdvice(error, language, comesBack),
    link: address === undefined ? undefined : { path: address, text: address },
  }));
  return withErrorHeaders(showPage(error.definition.status, page), error);
};

/**
 * Returns `Retry-After` and `WWW-Authenticate` (RFC 9110 §15.5.2) if they apply; browsers open no dialog for `Bearer`.
 */
export const errorHeaders = ({ definition: { status }, options }: AppError): Record<string, string> => ({
  ...(status === 401 ? { 'www-authenticate': 'Bearer realm="sallyport"' } : {}),
  ...(status === 503 || status === 429 || options.retryAfterSeconds !== undefined
    ? { 'retry-after': String(Math.max(1, Math.ceil(options.retryAfterSeconds ?? 1))) }
    : {}),
});

export const withErrorHeaders = (shown: Answer, error: AppError | undefined): Answer =>
  error === undefined ? shown : answer(shown.status, shown.body, { ...shown.headers, ...errorHeaders(error) });

/** Whether the client is a browser that shows the answer, not a program. */
export const wantsPage = ({ headers }: FastifyRequest): boolean => headers.accept?.includes('text/html') ?? false;

/**
 * Returns the page for an error raised before a page handler ran: an unknown path, a rate limit, an unreadable form, a
 * shutdown. Null if the client does not accept HTML or the endpoint has no pages.
 */
export function problemPage(error: AppError, request: FastifyRequest): Answer | null {
  const endpoint = request.routeOptions?.config?.endpoint;
  const hasPages = endpoint === undefined ? isUnknownRoute(error) : isPage(endpoint);
  return hasPages && wantsPage(request) ? problemOf(error) : null;
}

/** Shows errors as pages. A defect is thrown on, so that it is logged. */
export async function asPage(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (err) {
    if (isAppError(err) && err.definition.status !== 500) return problemOf(err);
    throw err;
  }
}
