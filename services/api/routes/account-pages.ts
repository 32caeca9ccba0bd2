import type { FastifyRequest } from 'fastify';
import {
  requestPasswordReset,
  requestUnlock,
  sendVerificationEmail,
} from '#services/core/identity/accounts/ask-for-mail.ts';
import { acceptInvitation, resetPassword } from '#services/core/identity/accounts/password-by-code.ts';
import { readTypedCode } from '#services/core/identity/accounts/read-typed-code.ts';
import { unlockAccount } from '#services/core/identity/accounts/unlock-account.ts';
import { verifyEmail } from '#services/core/identity/accounts/verify-email.ts';
import {
  acceptInvitationPageEndpoint,
  resetPasswordPageEndpoint,
  unlockPageEndpoint,
  verifyEmailPageEndpoint,
} from '#services/core/identity/contracts/account-contract.ts';
import { codeInvalid, passwordRequired } from '#services/core/identity/contracts/account-errors.ts';
import { secondFactorLocked, secondFactorRefused } from '#services/core/identity/contracts/factors-errors.ts';
import { emailShape } from '#services/core/identity/contracts/sign-in-contract.ts';
import { sentCode } from '#services/core/identity/factors/verify-code.ts';
import type { MailedCode } from '#services/core/identity/mail/one-time-codes.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import { type SignUpPorts, signUp } from '#services/core/identity/sign-in/sign-up.ts';
import { returnPage } from '#services/core/identity/social/return-address.ts';
import {
  sendForgotPasswordEndpoint,
  sendInvitationEndpoint,
  sendResendVerificationEndpoint,
  sendResetPasswordEndpoint,
  sendSignUpEndpoint,
  sendUnlockEndpoint,
  sendUnlockRequestEndpoint,
  sendVerifyEmailEndpoint,
  showCheckMailEndpoint,
  showForgotPasswordEndpoint,
  showResendVerificationEndpoint,
  showSignUpEndpoint,
} from '#services/core/oauth/account-pages-contract.ts';
import { describeNext, formNext, NO_NEXT, pathWithNext, safeNext } from '#services/core/oauth/authorize/next-path.ts';
import type { Caller } from '#services/core/ports.ts';
import type { Answer } from '#services/core/shared/answer.ts';
import {
  type AskMailPage,
  forgotPasswordPage,
  type MailLink,
  type MailSentPage,
  mailLinkDonePage,
  mailLinkPage,
  mailSentPage,
  resendVerificationPage,
  signUpPage,
} from '#services/pages/account-pages.ts';
import type { Said } from '#services/pages/fields.ts';
import type { FormPage } from '#services/pages/form-page.ts';
import { saidOf } from '#services/pages/problems.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { secondFactorRequired } from '#services/platform/errors.ts';
import { bind, bindPage, type RouteContext } from '../bind.ts';
import { expiredForm, goTo, isOwnForm, showPage, tieForm, withErrorHeaders } from '../requests/browser-form.ts';

export type AccountPagesPorts = SignUpPorts & Parameters<typeof describeNext>[0];

const ACCOUNT = '/account';
const signInPath = (next: string): string => pathWithNext('/login', next);
const afterSignIn = (next: string): string => (next === NO_NEXT ? ACCOUNT : next);

/** Shows a form again after an error that the user can correct; throws any other. */
async function orAgain(work: () => Promise<Answer>, again: (error: AppError) => Promise<Answer> | Answer) {
  try {
    return await work();
  } catch (err) {
    if (!isAppError(err) || err.definition.status === 500) throw err;
    return withErrorHeaders(await again(err), err);
  }
}

const incompleteAddress: Said = ({ language }) => language.texts.emailIncomplete;
const isAddress = (email: string): boolean => emailShape.safeParse(email).success;

/** What the user typed on the sign-up page, without the password. */
type SignUpForm = { readonly next: string; readonly name: string; readonly email: string };

async function showSignUp(
  ports: AccountPagesPorts,
  request: FastifyRequest,
  form: SignUpForm,
  again?: { readonly status: number; readonly problem: Said },
): Promise<Answer> {
  const { formTargets, loginHint, asker } = await describeNext(ports, form.next);
  const { token, setCookie } = tieForm(ports, request);
  const email = form.email === '' ? (loginHint ?? '') : form.email;
  const asked = { ...form, email, asker, formToken: token, signInPath: signInPath(form.next), problem: again?.problem };
  return showPage(again?.status ?? 200, signUpPage(asked), { setCookie, formTargets });
}

function sendSignUp(
  ports: AccountPagesPorts,
  body: SignUpForm & { readonly form_token: string; readonly password: string },
  caller: Caller,
  request: FastifyRequest,
): Promise<Answer> | Answer {
  if (!isOwnForm(ports, request, body.form_token)) return expiredForm();
  const { name, email, password } = body;
  const form = { name, email, next: formNext(ports.auth.browser, body.next) };
  if (!isAddress(email)) return showSignUp(ports, request, form, { status: 400, problem: incompleteAddress });
  return orAgain(
    async () => {
      const input = { name, email, password, cookie: request.headers.cookie, signal: request.signal };
      const made = await signUp(ports, input, caller);
      if ('status' in made.body) return showMailSent(ports, request, SIGN_UP, { email, next: form.next });
      // A person who came from an application goes back to it.
      return goTo(form.next === NO_NEXT ? showCheckMailEndpoint.path : form.next, made.setCookie);
    },
    (error) => showSignUp(ports, request, form, { status: error.definition.status, problem: saidOf(error) }),
  );
}

/** A mail that was sent, and how its page goes on. */
type SentMail = Pick<MailSentPage, 'text' | 'link' | 'again'> & {
  /** Where another address can be entered. */
  readonly otherPath: string;
};
const SIGN_UP: SentMail = {
  text: 'mailSignUp',
  link: 'verify',
  again: sendResendVerificationEndpoint.path,
  otherPath: showSignUpEndpoint.path,
};
const OWN_ADDRESS: SentMail = { ...SIGN_UP, otherPath: ACCOUNT };
const UNLOCK: SentMail = {
  text: 'mailIfLocked',
  link: 'unlock',
  again: sendUnlockRequestEndpoint.path,
  otherPath: unlockPageEndpoint.path,
};

async function showMailSent(
  ports: AccountPagesPorts,
  request: FastifyRequest,
  { text, link, again, otherPath }: SentMail,
  { email, next }: { readonly email: string; readonly next: string },
): Promise<Answer> {
  const { token, setCookie } = tieForm(ports, request);
  const isSignedIn = (await findByCookie(ports, request.headers.cookie)) !== null;
  const goesOn = { path: isSignedIn ? afterSignIn(next) : signInPath(next), isSignedIn };
  const page = mailSentPage({
    text,
    formToken: token,
    email,
    link,
    next,
    again,
    otherPath: otherPath === ACCOUNT ? ACCOUNT : pathWithNext(otherPath, next),
    goesOn,
  });
  const { formTargets } = await describeNext(ports, next);
  return showPage(200, page, { setCookie, formTargets });
}

/** For a signed-in user whose address is not confirmed: after a sign-up, and until it is. */
async function showCheckMail(ports: AccountPagesPorts, request: FastifyRequest, next: string): Promise<Answer> {
  const live = await findByCookie(ports, request.headers.cookie);
  if (live === null) return goTo(signInPath(ACCOUNT));
  const { email, emailVerified } = live.user;
  return emailVerified ? goTo(afterSignIn(next)) : showMailSent(ports, request, OWN_ADDRESS, { email, next });
}

/** A page that asks for an address, and the mail that it sends. */
type AskMail = SentMail & {
  readonly page: (asked: AskMailPage) => FormPage;
  readonly send: (ports: AccountPagesPorts, input: { readonly email: string }, caller: Caller) => Promise<unknown>;
};

const FORGOT: AskMail = {
  page: forgotPasswordPage,
  send: requestPasswordReset,
  text: 'mailIfKnown',
  link: 'reset',
  again: sendForgotPasswordEndpoint.path,
  otherPath: showForgotPasswordEndpoint.path,
};
const VERIFICATION: AskMail = {
  page: resendVerificationPage,
  send: sendVerificationEmail,
  text: 'mailIfUnverified',
  link: 'verify',
  again: sendResendVerificationEndpoint.path,
  otherPath: showResendVerificationEndpoint.path,
};

function showAskMail(
  ports: AccountPagesPorts,
  request: FastifyRequest,
  { page }: AskMail,
  asked: { readonly next: string; readonly email: string },
  problem?: Said,
): Answer {
  const { token, setCookie } = tieForm(ports, request);
  const shown = page({ ...asked, formToken: token, signInPath: signInPath(asked.next), problem });
  return showPage(problem === undefined ? 200 : 400, shown, { setCookie });
}

async function sendAskMail(
  ports: AccountPagesPorts,
  mail: AskMail,
  body: { readonly form_token: string; readonly next: string; readonly email: string },
  caller: Caller,
  request: FastifyRequest,
): Promise<Answer> {
  if (!isOwnForm(ports, request, body.form_token)) return expiredForm();
  const next = formNext(ports.auth.browser, body.next);
  const { email } = body;
  if (!isAddress(email)) return showAskMail(ports, request, mail, { next, email }, incompleteAddress);
  await mail.send(ports, { email }, caller);
  return showMailSent(ports, request, mail, { email, next });
}

/** What a form of a mailed link says: the code of the link, or the one that was typed with its address. */
type Presented = {
  readonly token: string;
  readonly typed: string;
  readonly email: string;
  readonly next: string;
  /** Where the browser goes once the code is redeemed; an allowed address of an application. */
  readonly goesTo?: string | undefined;
};
const NOTHING: Presented = { token: '', typed: '', email: '', next: NO_NEXT };

/** The page of an application that a link or form names, which anyone can write; undefined if it is not allowed. */
function allowedPage(ports: AccountPagesPorts, asked: unknown): string | undefined {
  try {
    return typeof asked === 'string' ? returnPage(ports.auth.browser, ports.mailer.publicUrl, asked) : undefined;
  } catch {
    return undefined;
  }
}

const OF_FACTORS: ReadonlySet<string> = new Set(
  [secondFactorRequired, secondFactorRefused, secondFactorLocked].map(({ definition }) => definition.code),
);

/** The page of a mailed link. An invalid code is not kept; a missing password is asked for, which is no problem yet. */
async function showMailLink(
  ports: AccountPagesPorts,
  request: FastifyRequest,
  link: MailLink,
  presented: Presented,
  again: { readonly error?: AppError; readonly problem?: Said } = {},
): Promise<Answer> {
  const { token: formToken, setCookie } = tieForm(ports, request);
  const { error } = again;
  const isFirstAsked = error?.code === passwordRequired.definition.code;
  const problem = again.problem ?? (error === undefined || isFirstAsked ? undefined : saidOf(error));
  const kept = error?.code === codeInvalid.definition.code ? { token: '', typed: '' } : {};
  const asksFactor = error !== undefined && OF_FACTORS.has(error.code);
  const page = mailLinkPage(link, { formToken, ...presented, ...kept, problem, asksFactor });
  const refused = again.problem === undefined ? 200 : 400;
  const { goesTo, next } = presented;
  // The answer to the form redirects there.
  const formTargets = goesTo === undefined ? (await describeNext(ports, next)).formTargets : [new URL(goesTo).origin];
  return showPage(isFirstAsked ? 200 : (error?.definition.status ?? refused), page, { setCookie, formTargets });
}

/** What redeeming a code did to this browser. */
type Redeemed = { readonly setCookie?: readonly string[]; readonly isSignedIn?: boolean };

type MailLinkForm = {
  readonly form_token: string;
  readonly token: string;
  readonly email?: string | undefined;
  readonly code?: string | undefined;
  readonly next?: string | undefined;
  readonly callback_url?: string | undefined;
};

function presentedIn(ports: AccountPagesPorts, body: MailLinkForm): Presented {
  const next = formNext(ports.auth.browser, body.next ?? NO_NEXT);
  const goesTo = allowedPage(ports, body.callback_url);
  // A code that was pasted may have spaces around it.
  return { token: body.token.trim(), typed: body.code ?? '', email: body.email ?? '', next, goesTo };
}

/** Redeems the code of a mail. */
function sendMailLink(
  ports: AccountPagesPorts,
  link: MailLink,
  body: MailLinkForm,
  { caller, request }: { readonly caller: Caller; readonly request: FastifyRequest },
  redeem: (code: MailedCode) => Promise<Redeemed>,
): Promise<Answer> | Answer {
  if (!isOwnForm(ports, request, body.form_token)) return expiredForm();
  const presented = presentedIn(ports, body);
  const { token, typed, email, next, goesTo } = presented;
  return orAgain(
    async () => {
      const code = token === '' ? await readTypedCode(ports, { link, email, typed }, caller) : token;
      const { setCookie = [], isSignedIn = false } = await redeem(code);
      if (goesTo !== undefined) return goTo(goesTo, setCookie);
      if (isSignedIn && next !== NO_NEXT) return goTo(next, setCookie);
      return showPage(200, mailLinkDonePage(link, isSignedIn ? null : signInPath(next)), { setCookie });
    },
    (error) => showMailLink(ports, request, link, presented, { error }),
  );
}

/** Sign-up, forgotten password and mailed links as pages that work without script. */
export function accountPagesRoutes(routes: RouteContext, ports: AccountPagesPorts): void {
  bindPage(routes, showSignUpEndpoint, ({ query }, _caller, request) =>
    showSignUp(ports, request, { next: safeNext(query.next), name: '', email: '' }),
  );
  bindPage(routes, showCheckMailEndpoint, ({ query }, _caller, request) =>
    showCheckMail(ports, request, safeNext(query.next)),
  );
  bindPage(routes, sendSignUpEndpoint, ({ body }, caller, request) => sendSignUp(ports, body, caller, request));
  for (const [show, send, mail] of [
    [showForgotPasswordEndpoint, sendForgotPasswordEndpoint, FORGOT],
    [showResendVerificationEndpoint, sendResendVerificationEndpoint, VERIFICATION],
  ] as const) {
    bind(routes, show, ({ query }, _caller, request) =>
      showAskMail(ports, request, mail, { next: safeNext(query.next), email: '' }),
    );
    bindPage(routes, send, ({ body }, caller, request) => sendAskMail(ports, mail, body, caller, request));
  }
  for (const [endpoint, link] of [
    [resetPasswordPageEndpoint, 'reset'],
    [unlockPageEndpoint, 'unlock'],
    [acceptInvitationPageEndpoint, 'invitation'],
  ] as const)
    bind(routes, endpoint, (_input, _caller, request) => showMailLink(ports, request, link, NOTHING));
  bind(routes, verifyEmailPageEndpoint, ({ query }, _caller, request) =>
    showMailLink(ports, request, 'verify', { ...NOTHING, goesTo: allowedPage(ports, query.callbackURL) }),
  );
  bindPage(routes, sendVerifyEmailEndpoint, ({ body }, caller, request) =>
    sendMailLink(ports, 'verify', body, { caller, request }, async (token) => {
      const { cookie } = request.headers;
      const input = { token, password: body.password, cookie, signal: request.signal };
      return { isSignedIn: (await verifyEmail(ports, input, caller)).by === 'session' };
    }),
  );
  for (const [endpoint, link, set] of [
    [sendResetPasswordEndpoint, 'reset', resetPassword],
    [sendInvitationEndpoint, 'invitation', acceptInvitation],
  ] as const)
    bindPage(routes, endpoint, ({ body }, caller, request) =>
      sendMailLink(ports, link, body, { caller, request }, async (token) => {
        // The page that sent the mail asks for its code only.
        if (body.password === undefined) throw passwordRequired();
        const factor = 'factor' in body && body.factor !== undefined ? sentCode(body.factor) : {};
        const { cookie } = request.headers;
        const input = { token, newPassword: body.password, ...factor, cookie, signal: request.signal };
        await set(ports, input, caller);
        return {};
      }),
    );
  bindPage(routes, sendUnlockEndpoint, ({ body }, caller, request) =>
    sendMailLink(ports, 'unlock', body, { caller, request }, (token) =>
      unlockAccount(ports, { token, cookie: request.headers.cookie }, caller),
    ),
  );
  bindPage(routes, sendUnlockRequestEndpoint, async ({ body: { form_token, email } }, caller, request) => {
    if (!isOwnForm(ports, request, form_token)) return expiredForm();
    if (!isAddress(email)) return showMailLink(ports, request, 'unlock', NOTHING, { problem: incompleteAddress });
    await requestUnlock(ports, { email }, caller);
    return showMailSent(ports, request, UNLOCK, { email, next: NO_NEXT });
  });
}
