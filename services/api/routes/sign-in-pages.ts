import { readFileSync } from 'node:fs';
import type { FastifyRequest } from 'fastify';
import { emailUnverified } from '#services/core/identity/contracts/account-errors.ts';
import { challengeOver, passkeyRefused } from '#services/core/identity/contracts/factors-errors.ts';
import { signInWithPasskeyEndpoint } from '#services/core/identity/contracts/passkeys-contract.ts';
import { loginLocked } from '#services/core/identity/contracts/sign-in-errors.ts';
import { answerSecondFactor } from '#services/core/identity/factors/answer-second-factor.ts';
import { offerOwedFactor } from '#services/core/identity/factors/enrol-owed-factor.ts';
import { listFactors } from '#services/core/identity/factors/own-factors.ts';
import { isPasskeyUnknown, signInWithPasskey } from '#services/core/identity/factors/sign-in-with-passkey.ts';
import { sentCode } from '#services/core/identity/factors/verify-code.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import { userCaller } from '#services/core/identity/sign-in/finish-sign-in.ts';
import { type SignInPorts, signIn } from '#services/core/identity/sign-in/sign-in.ts';
import type { HasSocialProviders } from '#services/core/identity/social/providers.ts';
import { startSocialSignIn } from '#services/core/identity/social/start-social-sign-in.ts';
import {
  describeNext,
  formNext,
  type NextStep,
  NO_NEXT,
  otherAccountPath,
  pathWithNext,
  safeNext,
} from '#services/core/oauth/authorize/next-path.ts';
import { sendLoginCodeEndpoint, sendLoginEndpoint, showLoginEndpoint } from '#services/core/oauth/contract.ts';
import { showAccountEndpoint } from '#services/core/oauth/own-account-page-contract.ts';
import {
  readPasskeyScriptEndpoint,
  sendPasskeyEndpoint,
  sendProviderEndpoint,
  sendSignOutEndpoint,
} from '#services/core/oauth/sign-in-pages-contract.ts';
import type { Caller } from '#services/core/ports.ts';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import { owedFactorPage } from '#services/pages/own-account/factor-pages.ts';
import {
  type CodePage,
  codePage,
  recoveryCodeUsedPage,
  type SignInHelp,
  signInPage,
  toProviderPage,
} from '#services/pages/pages.ts';
import { saidOf } from '#services/pages/problems.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { secondFactorRequired } from '#services/platform/errors.ts';
import { bind, bindPage, type RouteContext } from '../bind.ts';
import { expiredForm, goTo, isOwnForm, showPage, tieForm, withErrorHeaders } from '../requests/browser-form.ts';
import { signOutHere } from '../requests/sign-out-here.ts';

const PASSKEY_SCRIPT = readFileSync(new URL('../../pages/passkey-sign-in.js', import.meta.url), 'utf8');

export type SignInPagesPorts = SignInPorts & HasSocialProviders & Parameters<typeof describeNext>[0];

/** A failed attempt, after which its page is shown again. */
type Again = { readonly email: string; readonly error: AppError; readonly unknownPasskey?: string | undefined };

const HELP: Readonly<Record<string, SignInHelp>> = {
  [loginLocked.definition.code]: 'unlock',
  [emailUnverified.definition.code]: 'resend',
};

/** The address of the account that is signed in, if the application asks this user to sign in again. */
async function accountToConfirm(
  ports: SignInPagesPorts,
  request: FastifyRequest,
  asksAgain: NextStep['asksAgain'],
): Promise<string | undefined> {
  if (asksAgain === null) return undefined;
  const user = (await findByCookie(ports, request.headers.cookie, false))?.user;
  return user?.id === (asksAgain.userId ?? user?.id) ? user?.email : undefined;
}

/** The sign-in page, with advice after a failed attempt. */
export async function showSignIn(
  ports: SignInPagesPorts,
  request: FastifyRequest,
  next: string,
  { again, isAnother = false }: { readonly again?: Again; readonly isAnother?: boolean } = {},
): Promise<Answer> {
  const { formTargets, loginHint, asker, asksAgain } = await describeNext(ports, next);
  const account = isAnother ? undefined : await accountToConfirm(ports, request, asksAgain);
  const email = again?.email ?? (isAnother ? '' : (loginHint ?? account ?? ''));
  const { token, setCookie } = tieForm(ports, request);
  const page = signInPage({
    formToken: token,
    next,
    email,
    providers: ports.socialProviders.names,
    asker,
    confirms: account !== undefined && account === email ? { email, otherPath: otherAccountPath(next) } : null,
    signUpPath: pathWithNext('/signup', next),
    forgotPasswordPath: pathWithNext('/account/forgot-password', next),
    problem: again && saidOf(again.error),
    help: again && HELP[again.error.code],
    unknownPasskey: again?.unknownPasskey,
  });
  return withErrorHeaders(
    showPage(again?.error.definition.status ?? 200, page, { setCookie, formTargets }),
    again?.error,
  );
}

const asAppError = (err: unknown): AppError => {
  if (isAppError(err)) return err;
  throw err;
};

/** The page that asks for the second factor of an unfinished sign-in, or offers the one that the user owes. */
export async function showCode(
  ports: SignInPagesPorts,
  request: FastifyRequest,
  asked: { readonly next: string; readonly challenge: string; readonly factors: readonly string[] },
  error?: AppError,
): Promise<Answer> {
  const { token, setCookie } = tieForm(ports, request);
  const { formTargets } = await describeNext(ports, asked.next);
  const shown = { ...asked, formToken: token, problem: error && saidOf(error) };
  const offer = asked.factors.includes('enrolment') ? await offerOwedFactor(ports, asked).catch(asAppError) : null;
  // The last of five attempts was wrong.
  if (isAppError(offer)) return showSignIn(ports, request, asked.next, { again: { email: '', error: offer } });
  const page = offer === null ? codePage(shown) : owedFactorPage({ ...shown, enrolment: offer });
  return withErrorHeaders(showPage(error?.definition.status ?? 200, page, { setCookie, formTargets }), error);
}

/** What to ask for, if a sign-in was refused because a second factor is missing; null for any other refusal. */
export function askedFactor({ code, options }: AppError): Pick<CodePage, 'challenge' | 'factors'> | null {
  const { challenge, factors } = options.members ?? {};
  if (code !== secondFactorRequired.definition.code || typeof challenge !== 'string') return null;
  return { challenge, factors: Array.isArray(factors) ? factors.map(String) : [] };
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
      const asked = askedFactor(error);
      return asked === null
        ? showSignIn(ports, request, next, { again: { email, error } })
        : showCode(ports, request, { next, ...asked });
    },
  );
}

/** The second-factor page; without a valid challenge, the sign-in page. */
async function sendCode(
  ports: SignInPagesPorts,
  form: Tied & { readonly challenge: string; readonly code: string; readonly factors?: string | undefined },
  caller: Caller,
  request: FastifyRequest,
): Promise<Answer> {
  if (!isOwnForm(ports, request, form.form_token)) return expiredForm();
  const { challenge } = form;
  const next = formNext(ports.auth.browser, form.next);
  const code = sentCode(form.code);
  const input = { challenge, ...code, cookie: request.headers.cookie, signal: request.signal };
  try {
    const { body, setCookie } = await answerSecondFactor(ports, input, caller);
    if (code.totp !== undefined) return goTo(next, setCookie);
    // The user is signed in, whether or not the rest can be read.
    const factors = await listFactors(ports, {}, userCaller(body.user.id, caller)).catch(() => null);
    return factors === null
      ? goTo(next, setCookie)
      : showPage(200, recoveryCodeUsedPage(factors.recovery_codes_left, next), { setCookie });
  } catch (err) {
    if (!isAppError(err) || err.definition.status === 500) throw err;
    return err.code === challengeOver.definition.code
      ? showSignIn(ports, request, next, { again: { email: '', error: err } })
      : showCode(ports, request, { next, challenge, factors: form.factors?.split(' ') ?? [] }, err);
  }
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
  const onRefused = async (error: AppError) => {
    const id = error.code === passkeyRefused.definition.code ? assertion?.response.id : undefined;
    const unknownPasskey = id !== undefined && (await isPasskeyUnknown(ports, id)) ? id : undefined;
    return showSignIn(ports, request, next, { again: { email: '', error, unknownPasskey } });
  };
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
    return showSignIn(ports, request, next, { again: { email: '', error } });
  }
}

/** Sign-in, second factor, passkey and sign-out as pages; everything but the passkey works without script. */
export function signInPagesRoutes(routes: RouteContext, ports: SignInPagesPorts): void {
  bindPage(routes, showLoginEndpoint, async ({ query }, _caller, request) => {
    const next = safeNext(query.next);
    const live = next === NO_NEXT ? await findByCookie(ports, request.headers.cookie) : null;
    return live === null
      ? showSignIn(ports, request, next, { isAnother: query.another === '1' })
      : goTo(showAccountEndpoint.path);
  });
  bindPage(routes, sendLoginEndpoint, ({ body }, caller, request) => sendSignIn(ports, body, caller, request));
  bindPage(routes, sendLoginCodeEndpoint, ({ body }, caller, request) => sendCode(ports, body, caller, request));
  bindPage(routes, sendPasskeyEndpoint, ({ body }, caller, request) => sendPasskey(ports, body, caller, request));
  bindPage(routes, sendProviderEndpoint, ({ body }, caller, request) => sendProvider(ports, body, caller, request));
  bindPage(routes, sendSignOutEndpoint, async ({ body }, caller, request) =>
    isOwnForm(ports, request, body.form_token)
      ? goTo(NO_NEXT, await signOutHere(ports, request, caller))
      : expiredForm(),
  );
  bind(routes, readPasskeyScriptEndpoint, () =>
    answer(200, PASSKEY_SCRIPT, { 'content-type': 'text/javascript; charset=utf-8' }),
  );
}
