import { readFileSync } from 'node:fs';
import type { FastifyRequest } from 'fastify';
import { emailUnverified } from '#services/domain/identity/accounts/account-errors.ts';
import { loginLocked } from '#services/domain/identity/errors.ts';
import { answerSecondFactor } from '#services/domain/identity/factors/answer-second-factor.ts';
import {
  challengeOver,
  passkeyRefused,
  secondFactorRequired,
} from '#services/domain/identity/factors/factors-errors.ts';
import { signInWithPasskeyEndpoint } from '#services/domain/identity/factors/passkeys-contract.ts';
import { signInWithPasskey } from '#services/domain/identity/factors/sign-in-with-passkey.ts';
import { findByCookie } from '#services/domain/identity/sessions/read-session.ts';
import { type SignInPorts, signIn } from '#services/domain/identity/sign-in/sign-in.ts';
import type { HasSocialProviders } from '#services/domain/identity/social/providers.ts';
import { startSocialSignIn } from '#services/domain/identity/social/start-social-sign-in.ts';
import { describeNext, formNext, NO_NEXT, pathWithNext, safeNext } from '#services/domain/oauth/authorize/next-path.ts';
import { sendLoginCodeEndpoint, sendLoginEndpoint, showLoginEndpoint } from '#services/domain/oauth/contract.ts';
import {
  readPasskeyScriptEndpoint,
  sendPasskeyEndpoint,
  sendProviderEndpoint,
  sendSignOutEndpoint,
} from '#services/domain/oauth/sign-in-pages-contract.ts';
import type { Caller } from '#services/domain/ports.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { type Answer, answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { asPage, expiredForm, goTo, isOwnForm, showPage, tieForm, withErrorHeaders } from '../pages/browser-form.ts';
import { codePage, type SignInHelp, signedInPage, signInPage, toProviderPage } from '../pages/pages.ts';
import { saidOf } from '../pages/problems.ts';
import { signOutHere } from '../pages/sign-out-here.ts';

/** The script of the sign-in page, as served to browsers. */
const PASSKEY_SCRIPT = readFileSync(new URL('../pages/passkey-sign-in.js', import.meta.url), 'utf8');

export type SignInPagesPorts = SignInPorts & HasSocialProviders & Parameters<typeof describeNext>[0];

/** A failed attempt, after which its page is shown again. */
type Again = { readonly email: string; readonly error: AppError };

const HELP: Readonly<Record<string, SignInHelp>> = {
  [loginLocked.definition.code]: 'unlock',
  [emailUnverified.definition.code]: 'resend',
};

/** The sign-in page, with advice after a failed attempt. */
export async function showSignIn(
  ports: SignInPagesPorts,
  request: FastifyRequest,
  next: string,
  again?: Again,
): Promise<Answer> {
  const { formTargets, loginHint, asker } = await describeNext(ports, next);
  const { token, setCookie } = tieForm(ports, request);
  const page = signInPage({
    formToken: token,
    next,
    email: again?.email ?? loginHint ?? '',
    providers: ports.socialProviders.names,
    asker,
    signUpPath: pathWithNext('/signup', next),
    forgotPasswordPath: pathWithNext('/account/forgot-password', next),
    problem: again && saidOf(again.error),
    help: again && HELP[again.error.code],
  });
  return withErrorHeaders(
    showPage(again?.error.definition.status ?? 200, page, { setCookie, formTargets }),
    again?.error,
  );
}

/** The page that asks for the second factor of an unfinished sign-in. */
export async function showCode(
  ports: SignInPagesPorts,
  request: FastifyRequest,
  asked: { readonly next: string; readonly challenge: string },
  error?: AppError,
): Promise<Answer> {
  const { token, setCookie } = tieForm(ports, request);
  const { formTargets } = await describeNext(ports, asked.next);
  const page = codePage({ ...asked, formToken: token, problem: error && saidOf(error) });
  return withErrorHeaders(showPage(error?.definition.status ?? 200, page, { setCookie, formTargets }), error);
}

/**
 * Redirects to the page that asked for the sign-in; errors that users can fix are shown on the page where they
 * occurred.
 */
async function goOn(
  next: string,
  attempt: () => Promise<{ readonly setCookie: readonly string[] }>,
  onRefused: (error: AppError) => Promise<Answer>,
): Promise<Answer> {
  try {
    return goTo(next, (await attempt()).setCookie);
  } catch (err) {
    if (!isAppError(err) || err.definition.status === 500) throw err;
    return onRefused(err);
  }
}

type Tied = { readonly form_token: string; readonly next: string };

function sendSignIn(
  ports: SignInPagesPorts,
  form: Tied & { readonly email: string; readonly password: string },
  caller: Caller,
  request: FastifyRequest,
): Promise<Answer> | Answer {
  if (!isOwnForm(ports, request, form.form_token)) return expiredForm();
  const next = formNext(ports.auth.browser, form.next);
  const { email, password } = form;
  const input = { email, password, cookie: request.headers.cookie, signal: request.signal };
  return goOn(
    next,
    () => signIn(ports, input, caller),
    (error) => {
      const challenge = error.options.members?.challenge;
      return error.code === secondFactorRequired.definition.code && typeof challenge === 'string'
        ? showCode(ports, request, { next, challenge })
        : showSignIn(ports, request, next, { email, error });
    },
  );
}

/** The second-factor page; without a valid challenge, the sign-in page. */
function sendCode(
  ports: SignInPagesPorts,
  form: Tied & { readonly challenge: string; readonly code: string },
  caller: Caller,
  request: FastifyRequest,
): Promise<Answer> | Answer {
  if (!isOwnForm(ports, request, form.form_token)) return expiredForm();
  const { challenge } = form;
  const next = formNext(ports.auth.browser, form.next);
  const typed = form.code.replaceAll(/\s/g, '');
  const code = /^\d{6}$/.test(typed) ? { totp: typed } : { recoveryCode: typed };
  const input = { challenge, ...code, cookie: request.headers.cookie, signal: request.signal };
  return goOn(
    next,
    () => answerSecondFactor(ports, input, caller),
    (error) =>
      error.code === challengeOver.definition.code
        ? showSignIn(ports, request, next, { email: '', error })
        : showCode(ports, request, { next, challenge }, error),
  );
}

/** The assertion of the form, in the format of the JSON endpoint; null for anything else. */
function assertionIn({ challenge, response }: { readonly challenge: string; readonly response: string }) {
  try {
    const read = signInWithPasskeyEndpoint.body?.safeParse({ challenge, response: JSON.parse(response) });
    return read?.success ? read.data : null;
  } catch {
    return null;
  }
}

/** Submitted by the page's script, without password or code: a passkey replaces both. */
function sendPasskey(
  ports: SignInPagesPorts,
  form: Tied & { readonly challenge: string; readonly response: string },
  caller: Caller,
  request: FastifyRequest,
): Promise<Answer> | Answer {
  if (!isOwnForm(ports, request, form.form_token)) return expiredForm();
  const next = formNext(ports.auth.browser, form.next);
  const { cookie } = request.headers;
  const assertion = assertionIn(form);
  const onRefused = (error: AppError) => showSignIn(ports, request, next, { email: '', error });
  if (assertion === null) return onRefused(passkeyRefused());
  return goOn(
    next,
    () => signInWithPasskey(ports, { ...assertion, cookie, signal: request.signal }, caller),
    onRefused,
  );
}

/** Redirects to a social provider, which sends the browser back to the page that asked for the sign-in. */
async function sendProvider(
  ports: SignInPagesPorts,
  form: Tied & { readonly provider: string },
  caller: Caller,
  request: FastifyRequest,
): Promise<Answer> {
  if (!isOwnForm(ports, request, form.form_token)) return expiredForm();
  const next = formNext(ports.auth.browser, form.next);
  const input = { provider: form.provider, callbackUrl: next, cookie: request.headers.cookie };
  try {
    const { url, setCookie } = await startSocialSignIn(ports, input, caller);
    return showPage(200, toProviderPage(form.provider, url), { setCookie });
  } catch (error) {
    if (!isAppError(error) || error.definition.status === 500) throw error;
    return showSignIn(ports, request, next, { email: '', error });
  }
}

/** Sign-in, second factor, passkey and sign-out as pages; everything but the passkey works without script. */
export function signInPagesRoutes(routes: RouteContext, ports: SignInPagesPorts): void {
  bind(routes, showLoginEndpoint, ({ query }, _caller, request) =>
    asPage(async () => {
      const next = safeNext(query.next);
      const live = next === NO_NEXT ? await findByCookie(ports, request.headers.cookie) : null;
      if (live === null) return showSignIn(ports, request, next);
      const { token, setCookie } = tieForm(ports, request);
      return showPage(200, signedInPage(token, live.user.email), { setCookie });
    }),
  );
  bind(routes, sendLoginEndpoint, ({ body }, caller, request) =>
    asPage(async () => sendSignIn(ports, body, caller, request)),
  );
  bind(routes, sendLoginCodeEndpoint, ({ body }, caller, request) =>
    asPage(async () => sendCode(ports, body, caller, request)),
  );
  bind(routes, sendPasskeyEndpoint, ({ body }, caller, request) =>
    asPage(async () => sendPasskey(ports, body, caller, request)),
  );
  bind(routes, sendProviderEndpoint, ({ body }, caller, request) =>
    asPage(() => sendProvider(ports, body, caller, request)),
  );
  bind(routes, sendSignOutEndpoint, ({ body }, caller, request) =>
    asPage(async () =>
      isOwnForm(ports, request, body.form_token)
        ? goTo(NO_NEXT, await signOutHere(ports, request, caller))
        : expiredForm(),
    ),
  );
  bind(routes, readPasskeyScriptEndpoint, () =>
    answer(200, PASSKEY_SCRIPT, { 'content-type': 'text/javascript; charset=utf-8' }),
  );
}
