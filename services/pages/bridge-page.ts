import { html } from '#services/platform/html/html.ts';
import { hidden } from './fields.ts';
import type { FormPage } from './form-page.ts';
import { BRIDGE_SCRIPT } from './page-script.ts';
import { say } from './texts/texts.ts';

type BridgePage = {
  readonly formToken: string;
  /** Where the browser goes afterwards. */
  readonly returnTo: string;
  /** The sign-in page that goes on to the same place. */
  readonly signInPath: string;
};

/** Takes a token of the old provider out of the fragment, which browsers do not send, and asks whose it is. */
export const bridgePage =
  ({ formToken, returnTo, signInPath }: BridgePage): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.bridgeTitle,
    inlineScript: BRIDGE_SCRIPT,
    body: html`<p>${texts.bridgeAdvice}</p>
<form method="post" action="/bridge">${hidden('form_token', formToken)}${hidden('return_to', returnTo)}${hidden('token', '')}
<button type="submit" disabled>${texts.continue}</button></form>
<p class="links"><a href="${signInPath}">${texts.signInAgain}</a></p>`,
  });

/**
 * Names the account. The user continues by a button: the link could have brought the token of another user, who would
 * then see what its reader does in that account.
 */
export const bridgeConfirmPage =
  ({
    formToken,
    returnTo,
    signInPath,
    token,
    email,
  }: BridgePage & { readonly token: string; readonly email: string }): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.bridgeTitle,
    body: html`<p>${say(texts.bridgeConfirm, { email: html`<strong>${email}</strong>` })}</p>
<form method="post" action="/bridge">${hidden('form_token', formToken)}${hidden('return_to', returnTo)}${hidden('token', token)}
<button type="submit">${texts.continue}</button></form>
<p class="links"><a href="${signInPath}">${texts.anotherAccount}</a></p>`,
  });

/** The session of the old provider could not be carried over. */
export const bridgeRefusedPage =
  (signInPath: string): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.bridgeTitle,
    body: html`<p role="alert">${texts.bridgeRefused}</p><p><a class="button" href="${signInPath}">${texts.signInAgain}</a></p>`,
  });
