import type { Asker } from '#services/domain/oauth/authorize/next-path.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { askerLine } from './asker.ts';
import { alertOf, currentPasswordField, emailField, hidden, newPasswordField, type Said, strong } from './fields.ts';
import type { Page } from './form-page.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import type { Texts } from './texts/english.ts';
import { say } from './texts/texts.ts';

type SignUpPage = {
  readonly formToken: string;
  /** Path of our page to open after the sign-up. */
  readonly next: string;
  readonly name: string;
  readonly email: string;
  /** The sign-in page that goes on to the same place. */
  readonly signInPath: string;
  /** The application that sent the user here, if any. */
  readonly asker?: Asker | null;
  readonly problem?: Said | undefined;
};

export const signUpPage =
  ({ formToken, next, name, email, signInPath, asker, problem }: SignUpPage): Page =>
  (look) => {
    const { texts } = look.language;
    return {
      title: texts.createAccountTitle,
      inlineScript: PAGE_SCRIPT,
      loadsOwnImages: asker?.logoPath != null,
      body: html`${alertOf(problem, look)}${askerLine(asker, texts)}
<form method="post" action="/signup">${hidden('form_token', formToken)}${hidden('next', next)}
<label for="name">${texts.nameOptional}</label><input id="name" name="name" autocomplete="name" maxlength="128" dir="auto" value="${name}">
${emailField(texts, email)}${newPasswordField(texts, texts.password)}
<button type="submit">${texts.createAccount}</button></form>
<p class="links">${texts.haveAccount} <a href="${signInPath}">${texts.signIn}</a></p>`,
    };
  };

export type AskMailPage = {
  readonly formToken: string;
  readonly next: string;
  readonly email: string;
  readonly signInPath: string;
  readonly problem?: Said | undefined;
};

/** Asks for the address to which a mail is sent. */
const askMailPage =
  (words: { readonly title: keyof Texts; readonly advice: keyof Texts; readonly action: string }) =>
  ({ formToken, next, email, signInPath, problem }: AskMailPage): Page =>
  (look) => {
    const { texts } = look.language;
    return {
      title: texts[words.title],
      body: html`${alertOf(problem, look)}<p>${texts[words.advice]}</p>
<form method="post" action="${words.action}">${hidden('form_token', formToken)}${hidden('next', next)}
${emailField(texts, email)}<button type="submit">${texts.sendLink}</button></form>
<p class="links"><a href="${signInPath}">${texts.backToSignIn}</a></p>`,
    };
  };

export const forgotPasswordPage = askMailPage({
  title: 'forgotPasswordTitle',
  advice: 'forgotPasswordAdvice',
  action: '/account/forgot-password',
});

export const resendVerificationPage = askMailPage({
  title: 'resendTitle',
  advice: 'resendAdvice',
  action: '/account/resend-verification',
});

export type MailSentPage = {
  readonly text: 'mailSignUp' | 'mailIfKnown' | 'mailIfLocked' | 'mailIfUnverified';
  readonly email: string;
  /** The form that sends the mail again: its target and its hidden fields. */
  readonly again: { readonly action: string; readonly fields: Readonly<Record<string, string>> };
  readonly signInPath: string;
};

const hiddenFields = (fields: Readonly<Record<string, string>>): Html =>
  html`${Object.entries(fields).map(([name, value]) => hidden(name, value))}`;

/** A mail is on its way. The same for every address, where the address may not be known. */
export const mailSentPage =
  ({ text, email, again, signInPath }: MailSentPage): Page =>
  ({ language: { texts } }) => ({
    title: texts.checkMail,
    body: html`<p role="status">${say(texts[text], { email: strong(email) })} ${texts.mailWait}</p>
<form method="post" action="${again.action}">${hiddenFields(again.fields)}<button class="plain" type="submit">${texts.sendAgain}</button></form>
<p class="links"><a href="${signInPath}">${texts.backToSignIn}</a></p>`,
  });

type LinkWords = {
  readonly title: keyof Texts;
  readonly action: string;
  readonly button: keyof Texts;
  readonly done: keyof Texts;
  /** Where a user without a valid code gets another mail. */
  readonly another?: string;
};

const LINKS = {
  verify: {
    title: 'confirmAddress',
    action: '/account/verify-email',
    button: 'confirm',
    done: 'addressConfirmed',
    another: '/account/resend-verification',
  },
  reset: {
    title: 'chooseNewPassword',
    action: '/account/reset-password',
    button: 'changePassword',
    done: 'passwordChanged',
    another: '/account/forgot-password',
  },
  unlock: { title: 'unlockAccount', action: '/account/unlock', button: 'unlock', done: 'unlocked' },
  invitation: {
    title: 'acceptInvitation',
    action: '/account/accept-invitation',
    button: 'accept',
    done: 'accountReady',
  },
} as const satisfies Record<string, LinkWords>;

export type MailLink = keyof typeof LINKS;

type MailLinkPage = {
  readonly formToken: string;
  /** The code that the browser sent; '' if it has sent none, or an invalid one. */
  readonly token: string;
  /** Whether a verification needs the password of the account, or a new one. */
  readonly needsPassword?: boolean;
  readonly problem?: Said | undefined;
  /** Page of an application to which the browser goes once the code is redeemed. */
  readonly goesTo?: string | undefined;
};

function passwordOf(link: MailLink, { needsPassword }: MailLinkPage, texts: Texts): Html | null {
  switch (link) {
    case 'reset':
      return newPasswordField(texts, texts.newPassword);
    case 'invitation':
      return newPasswordField(texts, texts.passwordToSignIn);
    case 'verify':
      return needsPassword ? currentPasswordField(texts, texts.passwordToSignIn) : null;
    case 'unlock':
      return null;
  }
}

/** A sent code stays out of sight; without one, the user pastes it from the mail. */
const codeField = (token: string, texts: Texts): Html =>
  token === ''
    ? html`<div id="typed"><label for="token">${texts.codeFromMail}</label><p id="how" class="dim">${texts.pasteCode}</p></div><input id="token" name="token" autocomplete="one-time-code" autocapitalize="off" spellcheck="false" required maxlength="128" aria-describedby="how">`
    : hidden('token', token);

const askUnlock = (formToken: string, texts: Texts): Html =>
  html`<form method="post" action="/account/request-unlock">${hidden('form_token', formToken)}<p class="dim">${texts.unlockAdvice}</p>
${emailField(texts, '')}<button class="plain" type="submit">${texts.sendLink}</button></form>`;

const anotherMail = (path: string, texts: Texts): Html =>
  html`<p class="links">${texts.noCode} <a href="${path}">${texts.sendLink}</a></p>`;

/** The page that a mailed link opens. The personal code is in the fragment: the same page is sent to every user. */
export const mailLinkPage =
  (link: MailLink, asked: MailLinkPage): Page =>
  (look) => {
    const { texts } = look.language;
    const { title, action, button, another }: LinkWords = LINKS[link];
    return {
      title: texts[title],
      inlineScript: PAGE_SCRIPT,
      body: html`${alertOf(asked.problem, look)}
<form method="post" action="${action}">${hidden('form_token', asked.formToken)}${asked.goesTo === undefined ? null : hidden('callback_url', asked.goesTo)}${codeField(asked.token, texts)}${passwordOf(link, asked, texts)}
<button type="submit">${texts[button]}</button></form>${link === 'unlock' ? askUnlock(asked.formToken, texts) : null}${another === undefined ? null : anotherMail(another, texts)}`,
    };
  };

/** The code of a mailed link was accepted. */
export const mailLinkDonePage =
  (link: MailLink): Page =>
  ({ language: { texts } }) => ({
    title: texts[LINKS[link].title],
    body: html`<p role="status">${texts[LINKS[link].done]}</p><p class="links"><a href="/login">${texts.signIn}</a></p>`,
  });
