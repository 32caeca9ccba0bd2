import type { AccountSection } from '#services/core/oauth/own-account-page-contract.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { copyButton } from '../copy-button.ts';
import { alertOf, currentPasswordField, hidden, type Said } from '../fields.ts';
import type { FormPage, Look } from '../form-page.ts';
import { COPY_SCRIPT, PAGE_SCRIPT } from '../page-script.ts';
import { backToSignIn, type CodePage, codeField, PASSKEY_SCRIPT_PATH, passkeyButton } from '../pages.ts';
import { qrImage } from '../qr-image.ts';
import type { Texts } from '../texts/english.ts';
import { codesBlock } from './codes-block.ts';
import { formOf, submit } from './parts.ts';

const back = (path: string, texts: Texts): Html =>
  html`<p class="links"><a href="${path}">${texts.accountBack}</a></p>`;

type StepUpPage = {
  readonly formToken: string;
  /** The factors that the account has besides its password. */
  readonly factors: { readonly totp: boolean; readonly passkeys: number };
  /** Where the user was, and goes on. */
  readonly section: AccountSection;
  readonly path: string;
  readonly problem?: Said | undefined;
};

/** Asks users to authenticate again before a sensitive change, which they then repeat. */
export const stepUpPage =
  ({ formToken, factors: { totp, passkeys }, section, path, problem }: StepUpPage): FormPage =>
  (look) => {
    const { texts } = look.language;
    const field = totp || passkeys > 0 ? codeField(totp, texts) : currentPasswordField(texts);
    // The script of the sign-in page sends this form with the passkey.
    const byPasskey =
      passkeys === 0
        ? null
        : html`<form method="post" action="/login/passkey">${hidden('form_token', formToken)}${hidden('next', path)}</form>${passkeyButton(texts)}`;
    return {
      title: texts.stepUpTitle,
      ...(passkeys === 0 ? {} : { script: PASSKEY_SCRIPT_PATH }),
      inlineScript: PAGE_SCRIPT,
      body: html`${alertOf(problem, look)}<p>${texts.stepUpWhy}</p>${formOf({ formToken }, 'step_up', html`${field}${submit(texts.continue)}`, { section })}${byPasskey}${back(path, texts)}`,
    };
  };

type TotpPage = {
  readonly formToken: string;
  readonly enrolment: { readonly totpUri: string; readonly recoveryCodes: readonly string[] };
  readonly problem?: Said | undefined;
};

/** The secret of a new authenticator and its recovery codes, and the form for its first code. */
function totpSteps(
  { enrolment: { totpUri, recoveryCodes }, problem }: Pick<TotpPage, 'enrolment' | 'problem'>,
  form: (inside: Html) => Html,
  look: Look,
): Html {
  const { texts } = look.language;
  const secret = new URL(totpUri).searchParams.get('secret') ?? '';
  const code = html`<label for="code">${texts.totpCode}</label><input id="code" name="code" required maxlength="16" inputmode="numeric" autocomplete="one-time-code">${submit(texts.confirm)}`;
  return html`<h2>1. ${texts.totpScan}</h2><p>${texts.totpHow}</p>${qrImage(totpUri, texts.totpImage)}<p>${texts.totpKey}</p><p><strong><code>${secret.replaceAll(/.{4}(?=.)/g, '$& ')}</code></strong></p><p><a href="${totpUri}">${texts.totpOpenApp}</a></p><h2>2. ${texts.totpKeep}</h2>${recoveryCodes.length === 0 ? html`<p>${texts.totpCodesStay}</p>` : codesBlock(recoveryCodes, texts)}<h2>3. ${texts.totpConfirm}</h2>${problem === undefined ? null : html`<p id="said" class="note bad" role="alert" tabindex="-1">${problem(look)}</p>`}${form(code)}`;
}

/** The form sends secret and recovery codes back, so that a wrong code shows them again. */
export const totpPage =
  (page: TotpPage): FormPage =>
  (look) => {
    const { texts } = look.language;
    const { totpUri, recoveryCodes } = page.enrolment;
    const sent = { totp_uri: totpUri, recovery_codes: recoveryCodes.join(' ') };
    return {
      title: texts.accountTotpAdd,
      inlineScript: COPY_SCRIPT,
      body: html`${totpSteps(page, (inside) => formOf(page, 'confirm_totp', inside, sent), look)}${back('/account/security', texts)}`,
    };
  };

/** The same at the sign-in of a user who owes a second factor. */
export const owedFactorPage =
  (page: TotpPage & Pick<CodePage, 'next' | 'challenge' | 'factors'>): FormPage =>
  (look) => {
    const { formToken, next, challenge, factors } = page;
    const form = (inside: Html): Html =>
      html`<form method="post" action="/login/code#said">${hidden('form_token', formToken)}${hidden('next', next)}${hidden('challenge', challenge)}${hidden('factors', factors.join(' '))}${inside}</form>`;
    return {
      title: look.language.texts.accountTotpAdd,
      inlineScript: COPY_SCRIPT,
      body: html`<p>${look.language.texts.owedFactorWhy}</p>${totpSteps(page, form, look)}${backToSignIn(next, look.language.texts)}`,
    };
  };

/** New recovery codes, shown once. */
export const recoveryCodesPage =
  (codes: readonly string[]): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.codesTitle,
    inlineScript: COPY_SCRIPT,
    body: html`${codesBlock(codes, texts)}${back('/account/security', texts)}`,
  });

/** A new API key, shown once. */
export const newKeyPage =
  (name: string, secret: string): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.keyTitle,
    inlineScript: COPY_SCRIPT,
    body: html`<p><bdi>${name}</bdi></p><p>${texts.keyOnce}</p><pre class="codes" id="secret">${secret}</pre>${copyButton('secret', texts.copy, texts)}${back('/account/api-keys', texts)}`,
  });

export const accountDeletedPage: FormPage = ({ language: { texts } }) => ({
  title: texts.accountDeleted,
  body: html`<p role="status">${texts.accountDeletedNow}</p>`,
});
