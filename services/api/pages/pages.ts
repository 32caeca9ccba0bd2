import type { Asker } from '#services/domain/oauth/authorize/next-path.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { askerLine, logoOf } from './asker.ts';
import { alertOf, currentPasswordField, emailField, hidden, type Said, strong } from './fields.ts';
import type { Look, Page } from './form-page.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import type { Texts } from './texts/english.ts';
import { fill, say } from './texts/texts.ts';

const PASSKEY_SCRIPT_PATH = '/login/passkey.js';
/** Hidden until the passkey script finds that the browser supports passkeys. */
const passkey = (texts: Texts): Html =>
  html`<div id="passkey" hidden><button class="plain" type="button">${texts.signInWithPasskey}</button><p id="passkey-problem" class="bad" role="alert" data-none="${texts.passkeyNone}" data-place="${texts.passkeyPlace}" data-failed="${texts.passkeyFailed}"></p></div>`;

/** What helps after a failed attempt: an unlock mail, or another verification mail. */
export type SignInHelp = 'unlock' | 'resend';

export type SignInPage = {
  readonly formToken: string;
  /** Path of our page to open after the sign-in. */
  readonly next: string;
  readonly email: string;
  /** Names of the providers that users may sign in with. */
  readonly providers: readonly string[];
  /** The application that sent the user here, if any. */
  readonly asker?: Asker | null;
  /** Pages that go on to the same place afterwards. */
  readonly signUpPath: string;
  readonly forgotPasswordPath: string;
  /** Why the last attempt failed. */
  readonly problem?: Said | undefined;
  readonly help?: SignInHelp | undefined;
};

/** Brands whose spelling is more than a capital first letter. */
const BRANDS: Readonly<Record<string, string>> = { github: 'GitHub', gitlab: 'GitLab', linkedin: 'LinkedIn' };

/** @example brandOf('company') // 'Company' */
export const brandOf = (provider: string): string =>
  BRANDS[provider] ?? provider.charAt(0).toUpperCase() + provider.slice(1);

const providerButton = (name: string, texts: Texts): Html =>
  html`<button class="plain" type="submit" name="provider" value="${name}">${fill(texts.continueWith, { provider: brandOf(name) })}</button>`;

const providersForm = ({ formToken, next, providers }: SignInPage, texts: Texts): Html | null =>
  providers.length === 0
    ? null
    : html`<form method="post" action="/login/provider">${hidden('form_token', formToken)}${hidden('next', next)}${providers.map((name) => providerButton(name, texts))}</form>`;

/** @param url the provider's sign-in page */
export const toProviderPage =
  (provider: string, url: string): Page =>
  ({ language: { texts } }) => ({
    title: fill(texts.continueTo, { place: brandOf(provider) }),
    goesOnTo: url,
    body: html`<p>${say(texts.continueToSignIn, { link: html`<a href="${url}">${texts.continueToSignInLink}</a>` })}</p>`,
  });

const helpLink = (help: SignInHelp | undefined, texts: Texts): Html | null => {
  switch (help) {
    case 'unlock':
      return html`<p class="links"><a href="/account/unlock">${texts.unlockMail}</a></p>`;
    case 'resend':
      return html`<p class="links"><a href="/account/resend-verification">${texts.sendAgain}</a></p>`;
    case undefined:
      return null;
  }
};

export const signInPage =
  (asked: SignInPage): Page =>
  (look) => {
    const { texts } = look.language;
    return {
      title: texts.signIn,
      script: PASSKEY_SCRIPT_PATH,
      inlineScript: PAGE_SCRIPT,
      loadsOwnImages: asked.asker?.logoPath != null,
      body: html`${alertOf(asked.problem, look)}${helpLink(asked.help, texts)}${askerLine(asked.asker, texts)}
<form method="post" action="/login">${hidden('form_token', asked.formToken)}${hidden('next', asked.next)}
${emailField(texts, asked.email)}${currentPasswordField(texts)}
<button type="submit">${texts.signIn}</button></form>${passkey(texts)}${providersForm(asked, texts)}
<p class="links"><a href="${asked.forgotPasswordPath}">${texts.forgotPassword}</a></p>
<p class="links">${texts.noAccount} <a href="${asked.signUpPath}">${texts.createAccount}</a></p>`,
    };
  };

export type CodePage = {
  readonly formToken: string;
  readonly next: string;
  /** The id of the unfinished sign-in. */
  readonly challenge: string;
  readonly problem?: Said | undefined;
};

export const codePage =
  ({ formToken, next, challenge, problem }: CodePage): Page =>
  (look) => {
    const { texts } = look.language;
    return {
      title: texts.secondFactorTitle,
      script: PASSKEY_SCRIPT_PATH,
      body: html`${alertOf(problem, look)}
<form method="post" action="/login/code">${hidden('form_token', formToken)}${hidden('next', next)}${hidden('challenge', challenge)}
<label for="code">${texts.secondFactorLabel}</label><input id="code" name="code" required maxlength="64" autocomplete="one-time-code" autocapitalize="off" spellcheck="false">
<button type="submit">${texts.continue}</button></form>${passkey(texts)}`,
    };
  };

export const signedInPage =
  (formToken: string, email: string): Page =>
  ({ language: { texts } }) => ({
    title: texts.signedIn,
    body: html`<p>${say(texts.signedInAs, { email: strong(email) })} ${texts.windowMayClose}</p>
<p class="links"><a href="/account">${texts.accountTitle}</a></p>
<form method="post" action="/logout">${hidden('form_token', formToken)}<button class="plain" type="submit">${texts.signOut}</button></form>`,
  });

export type AskSignOutPage = {
  readonly formToken: string;
  /** The form sends this and the next two members back; '' if absent. */
  readonly clientId: string;
  readonly redirectUri: string;
  readonly state: string;
  /** Null if the request names no client. */
  readonly clientName: string | null;
  readonly email: string;
};

export const askSignOutPage =
  (asked: AskSignOutPage): Page =>
  ({ language: { texts } }) => ({
    title: texts.signOutTitle,
    body: html`<p>${say(texts.signedInAs, { email: strong(asked.email) })}${
      asked.clientName === null ? null : html` ${say(texts.appAsksSignOut, { client: strong(asked.clientName) })}`
    } ${texts.signOutEffect}</p>
<form method="post" action="/oauth2/end_session/confirm">${hidden('form_token', asked.formToken)}${hidden('client_id', asked.clientId)}${hidden('post_logout_redirect_uri', asked.redirectUri)}${hidden('state', asked.state)}
<button type="submit">${texts.signOut}</button></form><p class="dim">${texts.staySignedIn}</p>`,
  });

export const signedOutPage: Page = ({ language: { texts } }) => ({
  title: texts.signedOut,
  body: html`<p>${texts.signedOutNow}</p><p class="links"><a href="/login">${texts.signInAgain}</a></p>`,
});

const continueLink = (location: string, texts: Texts): Html =>
  html`<a href="${location}" rel="noreferrer">${fill(texts.continueTo, { place: hostOf(location) })}</a>`;

/** For an unvetted client: the user decides whether to continue to its address. */
export const signedOutLeavePage =
  (location: string): Page =>
  ({ language: { texts } }) => ({
    title: texts.signedOut,
    body: html`<p>${texts.signedOutNow}</p>
<p>${texts.notCheckedSender} ${continueLink(location, texts)}</p>`,
  });

/** What each scope means, for users who are asked to consent. */
const SCOPES: Readonly<Record<string, keyof Texts>> = {
  openid: 'scopeOpenid',
  profile: 'scopeProfile',
  email: 'scopeEmail',
  offline_access: 'scopeOfflineAccess',
};

/**
 * Warns about an unvetted client, which chose its own name. For a client that is a document, the address is the best
 * evidence of its owner (draft-ietf-oauth-client-id-metadata-document §6.4).
 */
export type Unvetted = { readonly address: string | null };

const unvettedNote = (unvetted: Unvetted | null, texts: Texts): Html | null =>
  unvetted === null
    ? null
    : html`<p class="bad">${texts.notCheckedOwnName}${
        unvetted.address === null
          ? null
          : html` ${say(texts.addressIs, { address: html`<strong><code>${unvetted.address}</code></strong>` })}`
      } ${texts.continueOnlyIf}</p>`;

export type ConsentPage = {
  readonly formToken: string;
  /** The authorization request, sent back with the decision. */
  readonly query: string;
  readonly clientName: string;
  readonly clientHost: string;
  /** Path of its logo on our origin; null if it has none. */
  readonly logoPath: string | null;
  readonly unvetted: Unvetted | null;
  readonly email: string;
  readonly scopes: readonly string[];
};

function meaningOf(scope: string, texts: Texts): string | Html {
  const known = SCOPES[scope];
  return known === undefined ? say(texts.scopeOther, { scope: html`<code>${scope}</code>` }) : texts[known];
}

const scopeItem = (scope: string, texts: Texts): Html =>
  html`<li><label><input type="checkbox" name="scope" value="${scope}" checked><span>${meaningOf(scope, texts)}</span></label></li>`;

const decisionButtons = (texts: Texts): Html =>
  html`<button type="submit" name="decision" value="allow">${texts.allow}</button><button class="plain" type="submit" name="decision" value="deny">${texts.deny}</button>
<p class="dim">${texts.notYourAccount}</p><button class="plain" type="submit" name="decision" value="switch">${texts.anotherAccount}</button>`;

export const consentPage =
  (asked: ConsentPage): Page =>
  ({ language: { texts } }) => {
    const names = {
      client: strong(asked.clientName),
      email: strong(asked.email),
      host: html`<code>${asked.clientHost}</code>`,
    };
    return {
      title: fill(texts.allowTitle, { client: asked.clientName }),
      heading: say(texts.allowTitle, { client: html`<bdi>${asked.clientName}</bdi>` }),
      loadsOwnImages: asked.logoPath !== null,
      body: html`${logoOf(asked.logoPath)}${unvettedNote(asked.unvetted, texts)}<p>${say(texts.asksAccess, names)}</p>
<form method="post" action="/oauth2/consent">${hidden('form_token', asked.formToken)}${hidden('request', asked.query)}
<p class="dim">${texts.itWants}</p><ul>${asked.scopes.map((scope) => scopeItem(scope, texts))}</ul>
${decisionButtons(texts)}</form>`,
    };
  };

type ShownError = {
  readonly title: string;
  readonly why?: string | undefined;
  /** What to do next; by default, to try again from the application. */
  readonly advice?: string | undefined;
  /** Where to go on. */
  readonly link?: { readonly path: string; readonly text: string } | undefined;
};

/** Shows an error to the user, instead of redirecting to a URI from the request. */
export const errorPage =
  (shown: (look: Look) => ShownError): Page =>
  (look) => {
    const { title, why, advice = look.language.texts.adviceTryAgain, link } = shown(look);
    return {
      title,
      body: html`<div role="alert">${why === undefined ? null : html`<p>${why}</p>`}<p class="dim">${advice}</p></div>${link === undefined ? null : html`<p class="links"><a href="${link.path}">${link.text}</a></p>`}`,
    };
  };

/** An OAuth request that is refused on our page. */
export const requestErrorPage = (why: (texts: Texts) => string): Page =>
  errorPage(({ language: { texts } }) => ({ title: texts.requestRefused, why: why(texts) }));

/** Returns the host of a URI, or the scheme of a URI without one. */
export const hostOf = (address: string): string => {
  const { protocol, host } = new URL(address);
  return host === '' ? protocol : host;
};

/** @param location the redirect URI of an unvetted client with the error response */
export const leavePage =
  (why: string, location: string): Page =>
  ({ language: { texts } }) => ({
    title: texts.requestUnanswerable,
    body: html`<div role="alert"><p>${fill(texts.requestUnanswerableWhy, { why })}</p></div>
<p>${texts.notChecked} ${continueLink(location, texts)}</p>`,
  });

export const deviceCodePage =
  (isUnknown: boolean): Page =>
  (look) => {
    const { texts } = look.language;
    return {
      title: texts.connectDevice,
      body: html`${alertOf(isUnknown ? () => texts.codeUnknown : undefined, look)}
<form method="get" action="/device"><label for="user_code">${texts.deviceCodeLabel}</label>
<input id="user_code" name="user_code" required maxlength="32" autocomplete="off" autocapitalize="characters" spellcheck="false">
<button type="submit">${texts.continue}</button></form>`,
    };
  };

export type DeviceConfirmPage = {
  readonly formToken: string;
  /** The code as shown to users. */
  readonly userCode: string;
  readonly clientName: string;
  readonly logoPath: string | null;
  readonly unvetted: Unvetted | null;
  readonly email: string;
  readonly scopes: readonly string[];
};

export const deviceConfirmPage =
  ({ formToken, userCode, ...asked }: DeviceConfirmPage): Page =>
  ({ language: { texts } }) => {
    const code = html`<strong><code>${userCode}</code></strong>`;
    return {
      title: fill(texts.connectTitle, { client: asked.clientName }),
      heading: say(texts.connectTitle, { client: html`<bdi>${asked.clientName}</bdi>` }),
      loadsOwnImages: asked.logoPath !== null,
      body: html`${logoOf(asked.logoPath)}${unvettedNote(asked.unvetted, texts)}<p>${say(texts.deviceAsks, { email: strong(asked.email), code })}</p>
<p class="dim">${texts.itWants}</p><ul>${asked.scopes.map((scope) => html`<li>${meaningOf(scope, texts)}</li>`)}</ul>
<form method="post" action="/device">${hidden('form_token', formToken)}${hidden('user_code', userCode)}
${decisionButtons(texts)}</form>`,
    };
  };

export const deviceDonePage =
  (isAllowed: boolean): Page =>
  ({ language: { texts } }) => ({
    title: isAllowed ? texts.deviceConnected : texts.deviceRefused,
    body: html`<p>${isAllowed ? texts.deviceContinues : texts.deviceWithoutAccess}</p>`,
  });
