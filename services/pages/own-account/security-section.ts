import { type Html, html } from '#services/platform/html/html.ts';
import { newPasswordField, strong } from '../fields.ts';
import type { Look } from '../form-page.ts';
import { brandOf } from '../pages.ts';
import type { Texts } from '../texts/english.ts';
import { say } from '../texts/texts.ts';
import type { AccountPage, ViewOf } from './account-view.ts';
import { codesBlock } from './codes-block.ts';
import { foldedForm, formOf, partOf, rowsOf, submit, timeText } from './parts.ts';

type Asked = AccountPage<ViewOf<'security'>>;

const hasPassword = ({ view: { linked } }: Asked): boolean =>
  linked.some(({ providerId }) => providerId === 'credential');

function passwordBody(asked: Asked, texts: Texts): Html {
  if (!hasPassword(asked))
    return html`<p>${texts.accountNoPassword} <a href="/account/forgot-password">${texts.chooseNewPassword}</a></p>`;
  const form = formOf(
    asked,
    'password',
    html`<label for="current">${texts.accountCurrentPassword}</label><input id="current" name="current_password" type="password" autocomplete="current-password" required maxlength="1024">${newPasswordField(texts, texts.newPassword)}${submit(texts.accountSavePassword, 'plain')}`,
  );
  return html`<p class="dim">${texts.accountPasswordWhy}</p>${foldedForm(asked, { act: 'password', title: texts.changePassword }, form)}`;
}

function authenticatorBody(asked: Asked, texts: Texts): Html {
  if (asked.view.factors.totp)
    return html`<p>${texts.accountTotpOn}</p>${formOf(asked, 'disable_totp', submit(texts.accountTotpRemove, 'danger'))}`;
  if (!hasPassword(asked)) return html`<p>${texts.accountTotpNeedsPassword}</p>`;
  const form = formOf(
    asked,
    'enable_totp',
    html`<label for="totp-password">${texts.accountTotpPassword}</label><input id="totp-password" name="password" type="password" autocomplete="current-password" required maxlength="1024">${submit(texts.continue, 'plain')}`,
  );
  return html`<p class="dim">${texts.accountTotpOff}</p>${foldedForm(asked, { act: 'enable_totp', title: texts.accountTotpAdd }, form)}`;
}

const renameForm = (asked: Asked, id: string, name: string, texts: Texts): Html =>
  html`<details><summary>${texts.accountRename}</summary>${formOf(
    asked,
    'rename_passkey',
    html`<label for="name-${id}">${texts.accountPasskeyNewName}</label><input id="name-${id}" name="name" required maxlength="64" dir="auto" value="${name}">${submit(texts.accountSave, 'small')}`,
    { passkey_id: id },
  )}</details>`;

/** The form to add a passkey is hidden until the script finds that the browser supports passkeys. */
const addPasskey = (texts: Texts): Html =>
  html`<div id="add-passkey" data-name="${texts.accountPasskey}" hidden><label for="passkey-name">${texts.accountPasskeyName}</label><input id="passkey-name" maxlength="64" dir="auto" placeholder="${texts.accountPasskey}"><button type="button">${texts.accountPasskeyAdd}</button></div><p id="add-passkey-said" class="bad" role="alert" data-again="${texts.stepUpWhy}" data-place="${texts.accountPasskeyPlace}" data-failed="${texts.accountPasskeyFailed}"></p><noscript><p class="dim">${texts.accountPasskeyScript}</p></noscript><div id="add-passkey-codes" tabindex="-1" hidden><p class="note good" role="status">${texts.donePasskeyAdded}</p>${codesBlock([], texts)}<p class="links"><a href="/account/security">${texts.accountBack}</a></p></div>`;

function passkeysBody(asked: Asked, look: Look): Html {
  const { texts } = look.language;
  const list = rowsOf(asked.view.passkeys, texts.accountNoPasskeys, ({ id, name, created_at: at }) => [
    html`${strong(name ?? texts.accountPasskey)}<br><span class="dim">${say(texts.accountAddedAt, { time: timeText(at, look) })}</span>${renameForm(asked, id, name ?? texts.accountPasskey, texts)}`,
    formOf(asked, 'remove_passkey', submit(texts.accountRemove, 'danger'), { passkey_id: id }),
  ]);
  return html`<div id="passkey-list" data-user="${asked.view.accepted.user}" data-accepted="${asked.view.accepted.ids.join(' ')}">${list}</div>${addPasskey(texts)}`;
}

function codesBody(asked: Asked, texts: Texts): Html {
  const { recovery_codes_left: left, totp, passkeys } = asked.view.factors;
  if (!totp && passkeys === 0) return html`<p class="dim">${texts.accountNoCodes}</p>`;
  return html`<p>${say(texts.accountCodesLeft, { count: html`<strong>${left}</strong>` })}</p>${formOf(asked, 'renew_codes', submit(texts.accountCodesRenew, 'small'))}`;
}

function linkedBody(asked: Asked, texts: Texts): Html {
  const others = asked.view.linked.filter(({ providerId }) => providerId !== 'credential');
  return rowsOf(others, texts.accountNoLinked, ({ providerId, accountId }) => [
    html`${strong(brandOf(providerId))}<br><span class="dim"><bdi>${accountId}</bdi></span>`,
    formOf(asked, 'unlink', submit(texts.accountRemove, 'danger'), { provider: providerId, account_id: accountId }),
  ]);
}

/** Password, second factors, recovery codes and sign-in by other services. */
export function securitySection(asked: Asked, look: Look): Html {
  const { texts } = look.language;
  const { required, totp, passkeys } = asked.view.factors;
  return html`${required && !totp && passkeys === 0 ? html`<p class="note bad">${texts.accountFactorRequired}</p>` : null}${partOf(
    asked,
    'password',
    texts.password,
    passwordBody(asked, texts),
    look,
  )}${partOf(asked, 'passkeys', texts.accountPasskeys, passkeysBody(asked, look), look)}${partOf(
    asked,
    'authenticator',
    texts.accountAuthenticator,
    authenticatorBody(asked, texts),
    look,
  )}${partOf(asked, 'codes', texts.accountCodes, codesBody(asked, texts), look)}${partOf(
    asked,
    'linked',
    texts.accountLinked,
    linkedBody(asked, texts),
    look,
  )}`;
}
