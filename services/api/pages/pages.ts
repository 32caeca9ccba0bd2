import { type Html, html } from '#services/platform/html/html.ts';
import type { Page } from './form-page.ts';

const hidden = (name: string, value: string): Html => html`<input type="hidden" name="${name}" value="${value}">`;

const alertOf = (problem: string | undefined): Html | null =>
  problem === undefined ? null : html`<p class="bad" role="alert">${problem}</p>`;

const PASSKEY_SCRIPT_PATH = '/login/passkey.js';
/** Hidden until the passkey script finds that the browser supports passkeys. */
const PASSKEY = html`<div id="passkey" hidden><button class="plain" type="button">Sign in with a passkey</button><p id="passkey-problem" class="bad" role="alert"></p></div>`;

export type SignInPage = {
  readonly formToken: string;
  /** Path of our page to open after the sign-in. */
  readonly next: string;
  readonly email: string;
  /** Names of the providers that users may sign in with. */
  readonly providers: readonly string[];
  /** Why the last attempt failed. */
  readonly problem?: string | undefined;
};

/** Brands whose spelling is more than a capital first letter. */
const BRANDS: Readonly<Record<string, string>> = { github: 'GitHub', gitlab: 'GitLab', linkedin: 'LinkedIn' };

/** @example brandOf('company') // 'Company' */
const brandOf = (provider: string): string => BRANDS[provider] ?? provider.charAt(0).toUpperCase() + provider.slice(1);

const providerButton = (name: string): Html =>
  html`<button class="plain" type="submit" name="provider" value="${name}">Continue with ${brandOf(name)}</button>`;

const providersForm = (formToken: string, next: string, providers: readonly string[]): Html | null =>
  providers.length === 0
    ? null
    : html`<form method="post" action="/login/provider">${hidden('form_token', formToken)}${hidden('next', next)}${providers.map(providerButton)}</form>`;

/** @param url the provider's sign-in page */
export const toProviderPage = (provider: string, url: string): Page => ({
  title: `Continue to ${brandOf(provider)}`,
  goesOnTo: url,
  body: html`<p>If nothing happens, <a href="${url}">continue to the sign-in page</a>.</p>`,
});

export const signInPage = ({ formToken, next, email, providers, problem }: SignInPage): Page => ({
  title: 'Sign in',
  script: PASSKEY_SCRIPT_PATH,
  body: html`${alertOf(problem)}
<form method="post" action="/login">${hidden('form_token', formToken)}${hidden('next', next)}
<label for="email">E-mail</label><input id="email" name="email" type="email" autocomplete="username" required maxlength="254" value="${email}">
<label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1024">
<button type="submit">Sign in</button></form>${PASSKEY}${providersForm(formToken, next, providers)}`,
});

export type CodePage = {
  readonly formToken: string;
  readonly next: string;
  /** The id of the unfinished sign-in. */
  readonly challenge: string;
  readonly problem?: string | undefined;
};

export const codePage = ({ formToken, next, challenge, problem }: CodePage): Page => ({
  title: 'Enter your second factor',
  script: PASSKEY_SCRIPT_PATH,
  body: html`${alertOf(problem)}
<form method="post" action="/login/code">${hidden('form_token', formToken)}${hidden('next', next)}${hidden('challenge', challenge)}
<label for="code">The code in your authenticator app, or a recovery code</label><input id="code" name="code" required maxlength="64" autocomplete="one-time-code" autocapitalize="off" spellcheck="false">
<button type="submit">Continue</button></form>${PASSKEY}`,
});

export const signedInPage = (formToken: string, email: string): Page => ({
  title: 'Signed in',
  body: html`<p>You are signed in as <strong>${email}</strong>. You can close this window.</p>
<form method="post" action="/logout">${hidden('form_token', formToken)}<button class="plain" type="submit">Sign out</button></form>`,
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

export const askSignOutPage = (asked: AskSignOutPage): Page => ({
  title: 'Sign out?',
  body: html`<p>You are signed in as <strong>${asked.email}</strong>.${
    asked.clientName === null ? null : html` <strong>${asked.clientName}</strong> asks you to sign out.`
  } Every application that you signed in to from this browser loses its access.</p>
<form method="post" action="/oauth2/end_session/confirm">${hidden('form_token', asked.formToken)}${hidden('client_id', asked.clientId)}${hidden('post_logout_redirect_uri', asked.redirectUri)}${hidden('state', asked.state)}
<button type="submit">Sign out</button></form><p class="dim">To stay signed in, close this window.</p>`,
});

export const signedOutPage: Page = {
  title: 'Signed out',
  body: html`<p>You are signed out. You can close this window.</p>`,
};

/** For an unvetted client: the user decides whether to continue to its address. */
export const signedOutLeavePage = (location: string): Page => ({
  title: 'Signed out',
  body: html`<p>You are signed out. You can close this window.</p>
<p>No administrator has checked the application that sent you here. <a href="${location}" rel="noreferrer">Continue to ${hostOf(location)}</a></p>`,
});

/** What each scope means, for users who are asked to consent. */
const SCOPES: Readonly<Record<string, string>> = {
  openid: 'know who you are',
  profile: 'see your name and picture',
  email: 'see your e-mail address',
  offline_access: 'stay connected while you are away',
};

/**
 * Warns about an unvetted client, which chose its own name. For a client that is a document, the address is the best
 * evidence of its owner (draft-ietf-oauth-client-id-metadata-document §6.4).
 */
export type Unvetted = { readonly address: string | null };

const unvettedNote = (unvetted: Unvetted | null): Html | null =>
  unvetted === null
    ? null
    : html`<p class="bad">No administrator has checked this application, and it chose its own name.${
        unvetted.address === null ? null : html` Its address is <strong><code>${unvetted.address}</code></strong>.`
      } Continue only if you have just come from it and you trust it.</p>`;

export type ConsentPage = {
  readonly formToken: string;
  /** The authorization request, sent back with the decision. */
  readonly query: string;
  readonly clientName: string;
  readonly clientHost: string;
  readonly unvetted: Unvetted | null;
  readonly email: string;
  readonly scopes: readonly string[];
};

const meaningOf = (scope: string): string | Html => SCOPES[scope] ?? html`use <code>${scope}</code> for you`;

const scopeItem = (scope: string): Html =>
  html`<li><label><input type="checkbox" name="scope" value="${scope}" checked><span>${meaningOf(scope)}</span></label></li>`;

export const consentPage = (asked: ConsentPage): Page => ({
  title: `Allow ${asked.clientName} to act for you?`,
  body: html`${unvettedNote(asked.unvetted)}<p><strong>${asked.clientName}</strong> asks for access to the account <strong>${asked.email}</strong>. Afterwards you return to <code>${asked.clientHost}</code>.</p>
<form method="post" action="/oauth2/consent">${hidden('form_token', asked.formToken)}${hidden('request', asked.query)}
<p class="dim">It wants to:</p><ul>${asked.scopes.map(scopeItem)}</ul>
<button type="submit" name="decision" value="allow">Allow</button><button class="plain" type="submit" name="decision" value="deny">Deny</button>
<p class="dim">Is this not your account?</p><button class="plain" type="submit" name="decision" value="switch">Use another account</button></form>`,
});

/** Shows an error to the user, instead of redirecting to a URI from the request. @param advice what to do next */
export const errorPage = (
  title: string,
  why: string | null,
  advice = 'Go back to the application and try again.',
): Page => ({
  title,
  body: html`<div role="alert">${why === null ? null : html`<p>${why}</p>`}<p class="dim">${advice}</p></div>`,
});

/** Returns the host of a URI, or the scheme of a URI without one. */
export const hostOf = (address: string): string => {
  const { protocol, host } = new URL(address);
  return host === '' ? protocol : host;
};

/** @param location the redirect URI of an unvetted client with the error response */
export const leavePage = (why: string, location: string): Page => ({
  title: 'This request cannot be answered',
  body: html`<div role="alert"><p>The application that sent you here sent a request that cannot be answered: ${why}.</p></div>
<p>No administrator has checked this application. <a href="${location}" rel="noreferrer">Continue to ${hostOf(location)}</a></p>`,
});

export const deviceCodePage = (isUnknown: boolean): Page => ({
  title: 'Connect a device',
  body: html`${alertOf(isUnknown ? 'This code is unknown or has expired. Compare it with the code on your device, or make the device show a new one.' : undefined)}
<form method="get" action="/device"><label for="user_code">The code that your device shows</label>
<input id="user_code" name="user_code" required maxlength="32" autocomplete="off" autocapitalize="characters" spellcheck="false">
<button type="submit">Continue</button></form>`,
});

export type DeviceConfirmPage = {
  readonly formToken: string;
  /** The code as shown to users. */
  readonly userCode: string;
  readonly clientName: string;
  readonly unvetted: Unvetted | null;
  readonly email: string;
  readonly scopes: readonly string[];
};

export const deviceConfirmPage = ({ formToken, userCode, ...asked }: DeviceConfirmPage): Page => ({
  title: `Connect ${asked.clientName}?`,
  body: html`${unvettedNote(asked.unvetted)}<p>A device asks for access to the account <strong>${asked.email}</strong>. Continue only if the device is in front of you and shows <strong><code>${userCode}</code></strong>.</p>
<p class="dim">It wants to:</p><ul>${asked.scopes.map((scope) => html`<li>${meaningOf(scope)}</li>`)}</ul>
<form method="post" action="/device">${hidden('form_token', formToken)}${hidden('user_code', userCode)}
<button type="submit" name="decision" value="allow">Allow</button><button class="plain" type="submit" name="decision" value="deny">Deny</button>
<p class="dim">Is this not your account?</p><button class="plain" type="submit" name="decision" value="switch">Use another account</button></form>`,
});

export const deviceDonePage = (isAllowed: boolean): Page => ({
  title: isAllowed ? 'Device connected' : 'Device refused',
  body: html`<p>${isAllowed ? 'Your device continues by itself in a few seconds.' : 'The device did not get access.'} You can close this window.</p>`,
});
