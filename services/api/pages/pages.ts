import { type Html, html, type Page } from './html.ts';

const hidden = (name: string, value: string): Html => html`<input type="hidden" name="${name}" value="${value}">`;

export type LoginPage = {
  readonly formToken: string;
  /** Path of ours that the login leads to. */
  readonly next: string;
  readonly email: string;
  /** Why the last try did not succeed. */
  readonly problem?: string | undefined;
};

export const loginPage = ({ formToken, next, email, problem }: LoginPage): Page => ({
  title: 'Sign in',
  body: html`${problem === undefined ? null : html`<p class="bad" role="alert">${problem}</p>`}
<form method="post" action="/login">${hidden('form_token', formToken)}${hidden('next', next)}
<label for="email">E-mail</label><input id="email" name="email" type="email" autocomplete="username" required maxlength="254" value="${email}">
<label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1024">
<button type="submit">Sign in</button></form>`,
});

export const signedInPage = (email: string): Page => ({
  title: 'Signed in',
  body: html`<p>You are signed in as <strong>${email}</strong>. You can close this window.</p>`,
});

/** What a scope means, for those who are asked. */
const SCOPES: Readonly<Record<string, string>> = {
  openid: 'know who you are',
  profile: 'see your name and picture',
  email: 'see your e-mail address',
  offline_access: 'stay connected while you are away',
};

export type ConsentPage = {
  readonly formToken: string;
  /** Of the authorization request, sent back with the decision. */
  readonly query: string;
  readonly clientName: string;
  readonly clientHost: string;
  readonly email: string;
  readonly scopes: readonly string[];
};

const scopeItem = (scope: string): Html =>
  html`<li><label><input type="checkbox" name="scope" value="${scope}" checked><span>${SCOPES[scope] ?? html`use <code>${scope}</code> for you`}</span></label></li>`;

export const consentPage = ({ formToken, query, clientName, clientHost, email, scopes }: ConsentPage): Page => ({
  title: `Let ${clientName} act for you?`,
  body: html`<p><strong>${clientName}</strong> asks for access to the account <strong>${email}</strong>. You will be sent on to <code>${clientHost}</code>.</p>
<form method="post" action="/oauth2/consent">${hidden('form_token', formToken)}${hidden('request', query)}
<p class="dim">It wants to:</p><ul>${scopes.map(scopeItem)}</ul>
<button type="submit" name="decision" value="allow">Allow</button><button class="plain" type="submit" name="decision" value="deny">Deny</button></form>`,
});

/** A failure that is told to the user, never to the address that a request names. */
export const errorPage = (title: string, why: string): Page => ({
  title,
  body: html`<p role="alert">${why}</p><p class="dim">Go back to the application and try again.</p>`,
});
