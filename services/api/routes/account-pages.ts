import type { FastifyRequest } from 'fastify';
import {
  acceptInvitationPageEndpoint,
  resetPasswordPageEndpoint,
  unlockPageEndpoint,
  verifyEmailPageEndpoint,
} from '#services/domain/identity/accounts/account-contract.ts';
import { codeInvalid, passwordRequired } from '#services/domain/identity/accounts/account-errors.ts';
import {
  requestPasswordReset,
  requestUnlock,
  sendVerificationEmail,
} from '#services/domain/identity/accounts/ask-for-mail.ts';
import { acceptInvitation, resetPassword } from '#services/domain/identity/accounts/password-by-code.ts';
import { unlockAccount } from '#services/domain/identity/accounts/unlock-account.ts';
import { verifyEmail } from '#services/domain/identity/accounts/verify-email.ts';
import { emailShape } from '#services/domain/identity/contract.ts';
import { type SignUpPorts, signUp } from '#services/domain/identity/sign-in/sign-up.ts';
import { returnPage } from '#services/domain/identity/social/return-address.ts';
import {
  sendForgotPasswordEndpoint,
  sendInvitationEndpoint,
  sendResendVerificationEndpoint,
  sendResetPasswordEndpoint,
  sendSignUpEndpoint,
  sendUnlockEndpoint,
  sendUnlockRequestEndpoint,
  sendVerifyEmailEndpoint,
  showForgotPasswordEndpoint,
  showResendVerificationEndpoint,
  showSignUpEndpoint,
} from '#services/domain/oauth/account-pages-contract.ts';
import { describeNext, formNext, NO_NEXT, pathWithNext, safeNext } from '#services/domain/oauth/authorize/next-path.ts';
import type { Caller } from '#services/domain/ports.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import type { Answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
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
} from '../pages/account-pages.ts';
import { asPage, expiredForm, goTo, isOwnForm, showPage, tieForm, withErrorHeaders } from '../pages/browser-form.ts';
import type { Said } from '../pages/fields.ts';
import type { Page } from '../pages/form-page.ts';
import { saidOf } from '../pages/problems.ts';

export type AccountPagesPorts = SignUpPorts & Parameters<typeof describeNext>[0];

const signInPath = (next: string): string => pathWithNext('/login', next);

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
      return 'status' in made.body
        ? showMailSent(ports, request, { text: 'mailSignUp', email, next: form.next }, RESEND)
        : goTo(form.next, made.setCookie);
    },
    (error) => showSignUp(ports, request, form, { status: error.definition.status, problem: saidOf(error) }),
  );
}

const RESEND = sendResendVerificationEndpoint.path;

/** @param action where the form leads that sends the mail again */
function showMailSent(
  ports: AccountPagesPorts,
  request: FastifyRequest,
  sent: Pick<MailSentPage, 'text' | 'email'> & { readonly next?: string },
  action: string,
): Answer {
  const { token, setCookie } = tieForm(ports, request);
  const { text, email, next } = sent;
  const fields = { form_token: token, email, ...(next === undefined ? {} : { next }) };
  const page = mailSentPage({ text, email, again: { action, fields }, signInPath: signInPath(next ?? NO_NEXT) });
  return showPage(200, page, { setCookie });
}

/** A page that asks for an address, and the mail that it sends. */
type AskMail = {
  readonly page: (asked: AskMailPage) => Page;
  readonly send: (ports: AccountPagesPorts, input: { readonly email: string }, caller: Caller) => Promise<unknown>;
  readonly text: MailSentPage['text'];
  readonly action: string;
};

const FORGOT: AskMail = {
  page: forgotPasswordPage,
  send: requestPasswordReset,
  text: 'mailIfKnown',
  action: sendForgotPasswordEndpoint.path,
};
const VERIFICATION: AskMail = {
  page: resendVerificationPage,
  send: sendVerificationEmail,
  text: 'mailIfUnverified',
  action: RESEND,
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
  return showMailSent(ports, request, { text: mail.text, email, next }, mail.action);
}

type Shown = {
  readonly token: string;
  readonly error?: AppError;
  readonly problem?: Said;
  /** Where the browser goes once the code is redeemed; an allowed address. */
  readonly goesTo?: string | undefined;
};

/** The page of an application that a link or form names, which anyone can write; undefined if it is not allowed. */
function allowedPage(ports: AccountPagesPorts, asked: unknown): string | undefined {
  try {
    return typeof asked === 'string' ? returnPage(ports.auth.browser, ports.mailer.publicUrl, asked) : undefined;
  } catch {
    return undefined;
  }
}

/** The page of a mailed link. An invalid code is not kept; a missing password is asked for, which is no problem yet. */
function showMailLink(ports: AccountPagesPorts, request: FastifyRequest, link: MailLink, shown: Shown): Answer {
  const { token: formToken, setCookie } = tieForm(ports, request);
  const { error, goesTo } = shown;
  const isFirstAsked = error?.code === passwordRequired.definition.code;
  const problem = shown.problem ?? (error === undefined || isFirstAsked ? undefined : saidOf(error));
  const token = error?.code === codeInvalid.definition.code ? '' : shown.token;
  const page = mailLinkPage(link, { formToken, token, needsPassword: token !== '', problem, goesTo });
  const refused = shown.problem === undefined ? 200 : 400;
  // The answer to the form redirects there.
  const formTargets = goesTo === undefined ? [] : [new URL(goesTo).origin];
  return showPage(isFirstAsked ? 200 : (error?.definition.status ?? refused), page, { setCookie, formTargets });
}

/** Redeems the code of a mailed link. @param redeem returns `Set-Cookie` lines, if any */
function sendMailLink(
  ports: AccountPagesPorts,
  link: MailLink,
  body: { readonly form_token: string; readonly token: string; readonly callback_url?: string | undefined },
  request: FastifyRequest,
  redeem: (token: string) => Promise<readonly string[]>,
): Promise<Answer> | Answer {
  if (!isOwnForm(ports, request, body.form_token)) return expiredForm();
  // A code that was pasted may have spaces around it.
  const token = body.token.trim();
  const goesTo = allowedPage(ports, body.callback_url);
  return orAgain(
    async () => {
      const setCookie = await redeem(token);
      return goesTo === undefined ? showPage(200, mailLinkDonePage(link), { setCookie }) : goTo(goesTo, setCookie);
    },
    (error) => showMailLink(ports, request, link, { token, error, goesTo }),
  );
}

/** Sign-up, forgotten password and mailed links as pages that work without script. */
export function accountPagesRoutes(routes: RouteContext, ports: AccountPagesPorts): void {
  bind(routes, showSignUpEndpoint, ({ query }, _caller, request) =>
    asPage(() => showSignUp(ports, request, { next: safeNext(query.next), name: '', email: '' })),
  );
  bind(routes, sendSignUpEndpoint, ({ body }, caller, request) =>
    asPage(async () => sendSignUp(ports, body, caller, request)),
  );
  for (const [show, send, mail] of [
    [showForgotPasswordEndpoint, sendForgotPasswordEndpoint, FORGOT],
    [showResendVerificationEndpoint, sendResendVerificationEndpoint, VERIFICATION],
  ] as const) {
    bind(routes, show, ({ query }, _caller, request) =>
      showAskMail(ports, request, mail, { next: safeNext(query.next), email: '' }),
    );
    bind(routes, send, ({ body }, caller, request) => asPage(() => sendAskMail(ports, mail, body, caller, request)));
  }
  for (const [endpoint, link] of [
    [resetPasswordPageEndpoint, 'reset'],
    [unlockPageEndpoint, 'unlock'],
    [acceptInvitationPageEndpoint, 'invitation'],
  ] as const)
    bind(routes, endpoint, (_input, _caller, request) => showMailLink(ports, request, link, { token: '' }));
  bind(routes, verifyEmailPageEndpoint, ({ query }, _caller, request) =>
    showMailLink(ports, request, 'verify', { token: '', goesTo: allowedPage(ports, query.callbackURL) }),
  );
  bind(routes, sendVerifyEmailEndpoint, ({ body }, caller, request) =>
    asPage(async () =>
      sendMailLink(ports, 'verify', body, request, async (token) => {
        const { cookie } = request.headers;
        await verifyEmail(ports, { token, password: body.password, cookie, signal: request.signal }, caller);
        return [];
      }),
    ),
  );
  for (const [endpoint, link, set] of [
    [sendResetPasswordEndpoint, 'reset', resetPassword],
    [sendInvitationEndpoint, 'invitation', acceptInvitation],
  ] as const)
    bind(routes, endpoint, ({ body }, caller, request) =>
      asPage(async () =>
        sendMailLink(ports, link, body, request, async (token) => {
          await set(ports, { token, newPassword: body.password, signal: request.signal }, caller);
          return [];
        }),
      ),
    );
  bind(routes, sendUnlockEndpoint, ({ body }, caller, request) =>
    asPage(async () =>
      sendMailLink(ports, 'unlock', body, request, async (token) => {
        const unlocked = await unlockAccount(ports, { token, cookie: request.headers.cookie }, caller);
        return unlocked.setCookie;
      }),
    ),
  );
  bind(routes, sendUnlockRequestEndpoint, ({ body: { form_token, email } }, caller, request) =>
    asPage(async () => {
      if (!isOwnForm(ports, request, form_token)) return expiredForm();
      if (!isAddress(email)) return showMailLink(ports, request, 'unlock', { token: '', problem: incompleteAddress });
      await requestUnlock(ports, { email }, caller);
      return showMailSent(ports, request, { text: 'mailIfLocked', email }, sendUnlockRequestEndpoint.path);
    }),
  );
}
