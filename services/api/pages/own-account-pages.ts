import type { ApiKeyView } from '#services/domain/api-keys/contract.ts';
import type { FactorsView } from '#services/domain/identity/factors/factors-contract.ts';
import type { PasskeyView } from '#services/domain/identity/factors/passkeys-contract.ts';
import type { LinkedAccountView } from '#services/domain/identity/social/linked-accounts.ts';
import type { ConsentView } from '#services/domain/oauth/consents/consent-contract.ts';
import type { AccountAct } from '#services/domain/oauth/own-account-page-contract.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { alertOf, currentPasswordField, hidden, newPasswordField, type Said, strong } from './fields.ts';
import type { Look, Page } from './form-page.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import { brandOf } from './pages.ts';
import { qrImage } from './qr-image.ts';
import type { Texts } from './texts/english.ts';
import { say } from './texts/texts.ts';

export type AccountView = {
  readonly email: string;
  readonly isVerified: boolean;
  readonly name: string;
  readonly sessions: readonly {
    readonly id: string;
    readonly current: boolean;
    readonly created_at: string;
    readonly ip_address: string | null;
    readonly user_agent: string | null;
  }[];
  readonly factors: FactorsView;
  readonly passkeys: readonly PasskeyView[];
  readonly linked: readonly LinkedAccountView[];
  readonly consents: readonly ConsentView[];
  readonly apiKeys: readonly ApiKeyView[];
  /** Lists that are longer than the page shows. */
  readonly longer: ReadonlySet<'sessions' | 'consents' | 'apiKeys'>;
};

type AccountPage = {
  readonly formToken: string;
  readonly account: AccountView;
  /** What the last form did. */
  readonly done?: AccountAct | undefined;
  readonly problem?: Said | undefined;
};

const SCRIPT_PATH = '/account/passkey.js';

const DONE: Readonly<Record<AccountAct, keyof Texts>> = {
  profile: 'doneProfile',
  password: 'donePassword',
  email: 'doneEmail',
  end_session: 'doneSession',
  withdraw: 'doneWithdraw',
  revoke_key: 'doneKey',
  unlink: 'doneUnlink',
  remove_passkey: 'donePasskey',
  confirm_totp: 'doneTotp',
  disable_totp: 'doneTotpOff',
  step_up: 'doneStepUp',
};

const timeText = (at: string, { language }: Look): string =>
  new Intl.DateTimeFormat(language.tag, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' }).format(
    new Date(at),
  );

type Fields = Readonly<Record<string, string>>;

/** A form of the account page. */
const formOf = (formToken: string, act: string, inside: Html, fields: Fields = {}): Html =>
  html`<form method="post" action="/account">${hidden('form_token', formToken)}${hidden('act', act)}${Object.entries(fields).map(([name, value]) => hidden(name, value))}${inside}</form>`;

const submit = (text: string, isPlain = false): Html =>
  isPlain ? html`<button class="plain" type="submit">${text}</button>` : html`<button type="submit">${text}</button>`;

const none = (texts: Texts): Html => html`<p class="dim">${texts.none}</p>`;

const part = (title: string, body: Html): Html => html`<div class="part"><h2>${title}</h2>${body}</div>`;

const moreOf = (isLonger: boolean, texts: Texts): Html | null =>
  isLonger ? html`<p class="dim">${texts.accountMore}</p>` : null;

/** A list of things, each with a form that ends it. */
function listOf<T>(items: readonly T[], texts: Texts, itemOf: (item: T) => Html): Html {
  return items.length === 0 ? none(texts) : html`<ul>${items.map((item) => html`<li>${itemOf(item)}</li>`)}</ul>`;
}

function profilePart({ formToken, account }: AccountPage, texts: Texts): Html {
  return part(
    texts.accountProfile,
    html`<p>${strong(account.email)}${account.isVerified ? null : html` <span class="dim">${texts.accountUnverified}</span> <a href="/account/resend-verification">${texts.sendAgain}</a>`}</p>${formOf(
      formToken,
      'profile',
      html`<label for="name">${texts.accountName}</label><input id="name" name="name" autocomplete="name" maxlength="128" dir="auto" value="${account.name}">${submit(texts.accountSave)}`,
    )}${formOf(
      formToken,
      'email',
      html`<label for="email">${texts.accountNewEmail}</label><input id="email" name="email" type="email" autocomplete="email" required maxlength="254">${submit(texts.accountChangeEmail, true)}`,
    )}`,
  );
}

const hasPassword = ({ linked }: AccountView): boolean => linked.some(({ providerId }) => providerId === 'credential');

function passwordPart({ formToken, account }: AccountPage, texts: Texts): Html {
  const form = hasPassword(account)
    ? formOf(
        formToken,
        'password',
        html`<label for="current">${texts.accountCurrentPassword}</label><input id="current" name="current_password" type="password" autocomplete="current-password" required maxlength="1024">${newPasswordField(texts, texts.newPassword)}${submit(texts.changePassword)}`,
      )
    : html`<p>${texts.accountNoPassword} <a href="/account/forgot-password">${texts.chooseNewPassword}</a></p>`;
  return part(texts.password, form);
}

function totpForms({ formToken, account }: AccountPage, texts: Texts): Html {
  if (account.factors.totp)
    return html`<p>${texts.accountTotpOn}</p>${formOf(formToken, 'disable_totp', submit(texts.accountTotpRemove, true))}`;
  if (!hasPassword(account)) return html`<p>${texts.accountTotpNeedsPassword}</p>`;
  return formOf(
    formToken,
    'enable_totp',
    html`<label for="totp-password">${texts.accountTotpPassword}</label><input id="totp-password" name="password" type="password" autocomplete="current-password" required maxlength="1024">${submit(texts.accountTotpAdd, true)}`,
  );
}

function factorsPart(asked: AccountPage, texts: Texts): Html {
  const { recovery_codes_left: left, totp, passkeys, required } = asked.account.factors;
  const codes =
    totp || passkeys > 0
      ? html`<p>${say(texts.accountCodesLeft, { count: String(left) })}</p>${formOf(asked.formToken, 'renew_codes', submit(texts.accountCodesRenew, true))}`
      : null;
  return part(
    texts.accountFactors,
    html`${required && !totp && passkeys === 0 ? html`<p class="bad">${texts.accountFactorRequired}</p>` : null}${totpForms(asked, texts)}${codes}`,
  );
}

function passkeysPart({ formToken, account }: AccountPage, look: Look): Html {
  const { texts } = look.language;
  const list = listOf(
    account.passkeys,
    texts,
    ({ id, name, created_at: at }) =>
      html`${strong(name ?? texts.accountPasskey)} <span class="dim">${timeText(at, look)}</span>${formOf(formToken, 'remove_passkey', submit(texts.accountRemove, true), { passkey_id: id })}`,
  );
  return part(
    texts.accountPasskeys,
    html`${list}<div id="add-passkey" data-name="${texts.accountPasskey}" hidden><label for="passkey-name">${texts.accountPasskeyName}</label><input id="passkey-name" maxlength="64"><button class="plain" type="button">${texts.accountPasskeyAdd}</button><p id="add-passkey-said" class="bad" role="alert" data-again="${texts.stepUpWhy}" data-failed="${texts.accountPasskeyFailed}"></p></div><div id="add-passkey-codes" tabindex="-1" hidden><p>${texts.codesOnce}</p><pre></pre><p class="links"><a href="/account">${texts.accountBack}</a></p></div>`,
  );
}

function sessionsPart({ formToken, account }: AccountPage, look: Look): Html {
  const { texts } = look.language;
  return part(
    texts.accountSessions,
    html`${listOf(
      account.sessions,
      texts,
      ({ id, current, created_at: at, ip_address: address, user_agent: agent }) =>
        html`<bdi>${agent || texts.accountUnknownBrowser}</bdi><br><span class="dim">${timeText(at, look)}${address === null ? null : html` · ${address}`}</span>${current ? html` <strong>${texts.accountThisBrowser}</strong>` : formOf(formToken, 'end_session', submit(texts.signOut, true), { session_id: id })}`,
    )}${moreOf(account.longer.has('sessions'), texts)}`,
  );
}

function linkedPart({ formToken, account }: AccountPage, texts: Texts): Html {
  return part(
    texts.accountLinked,
    listOf(
      account.linked.filter(({ providerId }) => providerId !== 'credential'),
      texts,
      ({ providerId, accountId }) =>
        html`${strong(brandOf(providerId))} <span class="dim"><bdi>${accountId}</bdi></span>${formOf(formToken, 'unlink', submit(texts.accountRemove, true), { provider: providerId, account_id: accountId })}`,
    ),
  );
}

function consentsPart({ formToken, account }: AccountPage, look: Look): Html {
  const { texts } = look.language;
  return part(
    texts.accountConsents,
    html`${listOf(
      account.consents,
      texts,
      ({ client_id: id, client_name: name, scopes, granted_at: at }) =>
        html`${strong(name)} <span class="dim">${timeText(at, look)}</span><br><code>${scopes.join(' ')}</code>${formOf(formToken, 'withdraw', submit(texts.accountWithdraw, true), { client_id: id })}`,
    )}${moreOf(account.longer.has('consents'), texts)}`,
  );
}

function keysPart({ formToken, account }: AccountPage, look: Look): Html {
  const { texts } = look.language;
  return part(
    texts.accountKeys,
    html`${listOf(
      account.apiKeys.filter(({ state }) => state === 'live'),
      texts,
      ({ api_key_id: id, name, created_at: at, expires_at: until }) =>
        html`${strong(name)}<br><span class="dim">${timeText(at, look)} – ${timeText(until, look)}</span>${formOf(formToken, 'revoke_key', submit(texts.accountRevoke, true), { api_key_id: id })}`,
    )}${moreOf(account.longer.has('apiKeys'), texts)}`,
  );
}

function leavePart({ formToken, account }: AccountPage, texts: Texts): Html {
  return part(
    texts.accountDelete,
    html`<p><a href="/account/export">${texts.accountExport}</a></p>${formOf(
      formToken,
      'delete',
      html`<p>${texts.accountDeleteWhy}</p><label for="delete-email">${say(texts.accountDeleteLabel, { email: strong(account.email) })}</label><input id="delete-email" name="email" type="email" autocomplete="off" required maxlength="254">${submit(texts.accountDeleteButton, true)}`,
    )}`,
  );
}

/** Everything that users can see and change about their own account; it works without script, except adding a passkey. */
export const accountPage =
  (asked: AccountPage): Page =>
  (look) => {
    const { texts } = look.language;
    const { done, formToken } = asked;
    return {
      title: texts.accountTitle,
      script: SCRIPT_PATH,
      inlineScript: PAGE_SCRIPT,
      body: html`${alertOf(asked.problem, look)}${done === undefined ? null : html`<p role="status">${texts[DONE[done]]}</p>`}
${profilePart(asked, texts)}${passwordPart(asked, texts)}${factorsPart(asked, texts)}${passkeysPart(asked, look)}${sessionsPart(asked, look)}${linkedPart(asked, texts)}${consentsPart(asked, look)}${keysPart(asked, look)}${leavePart(asked, texts)}
<form method="post" action="/logout">${hidden('form_token', formToken)}${submit(texts.signOut)}</form>`,
    };
  };

type StepUpPage = {
  readonly formToken: string;
  readonly hasFactor: boolean;
  readonly problem?: Said | undefined;
};

/** Asks users to authenticate again before a sensitive change, which they then repeat. */
export const stepUpPage =
  ({ formToken, hasFactor, problem }: StepUpPage): Page =>
  (look) => {
    const { texts } = look.language;
    const field = hasFactor
      ? html`<label for="code">${texts.secondFactorLabel}</label><input id="code" name="code" required maxlength="64" autocomplete="one-time-code" autocapitalize="off" spellcheck="false">`
      : currentPasswordField(texts);
    return {
      title: texts.stepUpTitle,
      inlineScript: PAGE_SCRIPT,
      body: html`${alertOf(problem, look)}<p>${texts.stepUpWhy}</p>${formOf(formToken, 'step_up', html`${field}${submit(texts.continue)}`)}<p class="links"><a href="/account">${texts.accountBack}</a></p>`,
    };
  };

type TotpPage = {
  readonly formToken: string;
  /** Null if the authenticator was shown before and only its code is missing. */
  readonly enrolment: { readonly totpUri: string; readonly recoveryCodes: readonly string[] } | null;
  readonly problem?: Said | undefined;
};

const codesBlock = (codes: readonly string[], texts: Texts): Html =>
  html`<p>${texts.codesOnce}</p><pre><code>${codes.join('\n')}</code></pre>`;

/** Shows the secret of a new authenticator and its recovery codes, once, and asks for its first code. */
export const totpPage =
  ({ formToken, enrolment, problem }: TotpPage): Page =>
  (look) => {
    const { texts } = look.language;
    const secret = enrolment === null ? '' : (new URL(enrolment.totpUri).searchParams.get('secret') ?? '');
    const shown =
      enrolment === null
        ? null
        : html`<p>${texts.totpHow}</p>${qrImage(enrolment.totpUri, texts.totpImage)}<p>${texts.totpKey}</p><p><strong><code>${secret.replaceAll(/.{4}(?=.)/g, '$& ')}</code></strong></p><p><a href="${enrolment.totpUri}">${texts.totpOpenApp}</a></p>${codesBlock(enrolment.recoveryCodes, texts)}`;
    return {
      title: texts.accountTotpAdd,
      body: html`${alertOf(problem, look)}${shown}${formOf(
        formToken,
        'confirm_totp',
        html`<label for="code">${texts.totpCode}</label><input id="code" name="code" required maxlength="16" inputmode="numeric" autocomplete="one-time-code">${submit(texts.confirm)}`,
      )}<p class="links"><a href="/account">${texts.accountBack}</a></p>`,
    };
  };

/** New recovery codes, shown once. */
export const recoveryCodesPage =
  (codes: readonly string[]): Page =>
  ({ language: { texts } }) => ({
    title: texts.codesTitle,
    body: html`${codesBlock(codes, texts)}<p class="links"><a href="/account">${texts.accountBack}</a></p>`,
  });

export const accountDeletedPage: Page = ({ language: { texts } }) => ({
  title: texts.accountDeleted,
  body: html`<p role="status">${texts.accountDeletedNow}</p>`,
});
