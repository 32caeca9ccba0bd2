import { html } from '#services/platform/html/html.ts';
import { hidden } from './fields.ts';
import type { FormPage } from './form-page.ts';
import { BRIDGE_SCRIPT } from './page-script.ts';

type BridgePage = {
  readonly formToken: string;
  /** Where the browser goes afterwards. */
  readonly returnTo: string;
  /** The sign-in page that goes on to the same place. */
  readonly signInPath: string;
};

/**
 * Takes a token of the old provider out of the fragment, which browsers do not send. The user continues by a button:
 * a link alone could sign its reader in as another user.
 */
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

/** The session of the old provider could not be carried over. */
export const bridgeRefusedPage =
  (signInPath: string): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.bridgeTitle,
    body: html`<p role="alert">${texts.bridgeRefused}</p><p><a class="button" href="${signInPath}">${texts.signInAgain}</a></p>`,
  });
