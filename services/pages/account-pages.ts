import type { Asker } from '#services/core/oauth/authorize/next-path.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { askerLine } from './asker.ts';
import { alertOf, currentPasswordField, emailField, hidden, newPasswordField, type Said, strong } from './fields.ts';
import type { FormPage } from './form-page.ts';
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
  ({ formToken, next, name, email, signInPath, asker, problem }: SignUpPage): FormPage =>
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
  ({ formToken, next, email, signInPath, problem }: AskMailPage): FormPage =>
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

type LinkWords = {
  readonly title: keyof Texts;
  readonly action: string;
  readonly button: keyof Texts;
  readonly done: keyof Texts;
  readonly doneTitle: keyof Texts;
  /** Where a user without a valid code gets another mail. */
  readonly another?: string;
};

const LINKS = {
  verify: {
    title: 'confirmAddress',
    action: '/account/verify-email',
    button: 'confirm',
    done: 'addressConfirmed',
    doneTitle: 'addressConfirmedTitle',
    another: '/account/resend-verification',
  },
  reset: {
    title: 'chooseNewPassword',
    action: '/account/reset-password',
    button: 'changePassword',
    done: 'passwordChanged',
    doneTitle: 'passwordChangedTitle',
    another: '/account/forgot-password',
  },
  unlock: {
    title: 'unlockAccount',
    action: '/account/unlock',
    button: 'unlock',
    done: 'unlocked',
    doneTitle: 'unlockedTitle',
  },
  invitation: {
    title: 'acceptInvitation',
    action: '/account/accept-invitation',
    button: 'accept',
    done: 'accountReady',
    doneTitle: 'accountReadyTitle',
  },
} as const satisfies Record<string, LinkWords>;

export type MailLink = keyof typeof LINKS;

/** A code is shown again in the characters in which it was sent. */
const codeInput = (texts: Texts): Html =>
  html`<label for="code">${texts.codeFromMail}</label><input id="code" class="code" name="code" autocomplete="one-time-code" autocapitalize="characters" spellcheck="false" required maxlength="64" placeholder="XXXX-XXXX">`;

export type MailSentPage = {
  readonly text: 'mailSignUp' | 'mailIfKnown' | 'mailIfLocked' | 'mailIfUnverified';
  readonly formToken: string;
  readonly email: string;
  /** What the code in the mail is for. */
  readonly link: MailLink;
  /** Path of our page to open afterwards. */
  readonly next: string;
  /** Where the form that sends the mail again leads. */
  readonly again: string;
  /** Where another address can be entered. */
  readonly otherPath: string;
  /** The page to go on to: of a signed-in user, or the sign-in page. */
  readonly goesOn: { readonly path: string; readonly isSignedIn: boolean };
};

/** A mail is on its way. The same for every address, where the address may not be known. */
export const mailSentPage =
  ({ text, formToken, email, link, next, again, otherPath, goesOn }: MailSentPage): FormPage =>
  ({ language: { texts } }) => {
    const fields = html`${hidden('form_token', formToken)}${hidden('email', email)}`;
    return {
      title: texts.checkMail,
      body: html`<p role="status">${say(texts[text], { email: strong(email) })}</p>
<form method="post" action="${LINKS[link].action}">${fields}${hidden('token', '')}${hidden('next', next)}${codeInput(texts)}<button type="submit">${texts.continue}</button></form>
<h2>${texts.noMail}</h2><p class="dim">${texts.mailWait}</p>
<form method="post" action="${again}">${fields}${link === 'unlock' ? null : hidden('next', next)}<button class="plain" type="submit">${texts.sendAgain}</button></form>
<p class="links"><a href="${otherPath}">${texts.otherAddress}</a></p>
<p class="links"><a href="${goesOn.path}">${goesOn.isSignedIn ? texts.goOnWithoutMail : texts.backToSignIn}</a></p>`,
    };
  };

type MailLinkPage = {
  readonly formToken: string;
  /** The code that the browser sent; '' if it has sent none, or an invalid one. */
  readonly token: string;
  /** The code that the user typed, '' likewise, and the address with it. */
  readonly typed: string;
  readonly email: string;
  /** Path of our page to open afterwards. */
  readonly next: string;
  readonly problem?: Said | undefined;
  /** Page of an application to which the browser goes once the code is redeemed. */
  readonly goesTo?: string | undefined;
  /** The account has a second factor, which a new password needs. */
  readonly asksFactor?: boolean | undefined;
};

const hasCode = ({ token, typed }: Pick<MailLinkPage, 'token' | 'typed'>): boolean => token !== '' || typed !== '';

const factorField = (texts: Texts): Html =>
  html`<p>${texts.resetFactorAdvice}</p><label for="factor">${texts.secondFactorLabel}</label><input id="factor" name="factor" required maxlength="64" autocomplete="one-time-code" autocapitalize="off" spellcheck="false">`;

function passwordOf(link: MailLink, asked: MailLinkPage, texts: Texts): Html | null {
  switch (link) {
    case 'reset':
      return html`${asked.asksFactor ? factorField(texts) : null}${newPasswordField(texts, texts.newPassword)}`;
    case 'invitation':
      return newPasswordField(texts, texts.passwordToSignIn);
    case 'verify':
      // Only asked for once the code was accepted.
      return hasCode(asked) ? currentPasswordField(texts, texts.passwordToSignIn) : null;
    case 'unlock':
      return null;
  }
}

/** A sent code stays out of sight; without one, the user types the code of the mail. */
const codeFields = (asked: MailLinkPage, texts: Texts): Html =>
  hasCode(asked)
    ? html`${hidden('token', asked.token)}${hidden('email', asked.email)}${hidden('code', asked.typed)}`
    : html`${hidden('token', '')}<fieldset id="typed" class="bare"><p class="dim">${texts.typeCode}</p>${emailField(texts, asked.email)}${codeInput(texts)}</fieldset>`;

const askUnlock = (formToken: string, texts: Texts): Html =>
  html`<form class="part" method="post" action="/account/request-unlock">${hidden('form_token', formToken)}<p class="dim">${texts.unlockAdvice}</p>
<label for="address">${texts.emailOfAccount}</label><input id="address" name="email" type="email" autocomplete="username" required maxlength="254"><button class="plain" type="submit">${texts.sendLink}</button></form>`;

const anotherMail = (path: string, texts: Texts): Html =>
  html`<p class="links">${texts.noCode} <a href="${path}">${texts.sendLink}</a></p>`;

/** The page that a mailed link opens. The personal code is in the fragment: the same page is sent to every user. */
export const mailLinkPage =
  (link: MailLink, asked: MailLinkPage): FormPage =>
  (look) => {
    const { texts } = look.language;
    const { title, action, button, another }: LinkWords = LINKS[link];
    return {
      title: texts[title],
      inlineScript: PAGE_SCRIPT,
      body: html`${alertOf(asked.problem, look)}
<form method="post" action="${action}">${hidden('form_token', asked.formToken)}${hidden('next', asked.next)}${asked.goesTo === undefined ? null : hidden('callback_url', asked.goesTo)}${codeFields(asked, texts)}${passwordOf(link, asked, texts)}
<button type="submit">${texts[button]}</button></form>${link === 'unlock' ? askUnlock(asked.formToken, texts) : null}${another === undefined ? null : anotherMail(another, texts)}`,
    };
  };

/** The code of a mail was accepted. @param signInPath null for a user whose address is confirmed and who is signed in */
export const mailLinkDonePage =
  (link: MailLink, signInPath: string | null): FormPage =>
  ({ language: { texts } }) => {
    const { doneTitle, done } = LINKS[link];
    return {
      title: texts[doneTitle],
      body:
        signInPath === null
          ? html`<p role="status">${texts.addressConfirmedHere}</p><p class="links"><a href="/account">${texts.accountTitle}</a></p>`
          : html`<p role="status">${texts[done]}</p><p class="links"><a href="${signInPath}">${texts.signIn}</a></p>`,
    };
  };
