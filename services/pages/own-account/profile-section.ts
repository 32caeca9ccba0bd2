import { type Html, html } from '#services/platform/html/html.ts';
import { strong } from '../fields.ts';
import type { Look } from '../form-page.ts';
import type { AccountPage, ViewOf } from './account-view.ts';
import { foldedForm, formOf, partOf, submit } from './parts.ts';

/** Name and address. */
export function profileSection(asked: AccountPage<ViewOf<'profile'>>, look: Look): Html {
  const { texts } = look.language;
  const { email, isVerified, name } = asked.owner;
  const nameForm = formOf(
    asked,
    'profile',
    html`<label for="name-field">${texts.accountName}</label><input id="name-field" name="name" autocomplete="name" maxlength="128" dir="auto" value="${name}">${submit(texts.accountSave)}`,
  );
  const emailForm = formOf(
    asked,
    'email',
    html`<label for="new-email">${texts.accountNewEmail}</label><input id="new-email" name="email" type="email" autocomplete="email" required maxlength="254"><p class="dim">${texts.accountNewEmailWhy}</p>${submit(texts.accountSendConfirmation, 'plain')}`,
  );
  const state = isVerified
    ? null
    : html`<span class="bad">${texts.accountUnverified}</span> <a href="/account/resend-verification">${texts.sendAgain}</a>`;
  return html`${partOf(asked, 'name', texts.accountProfile, nameForm, look)}${partOf(
    asked,
    'email',
    texts.accountEmail,
    html`<p>${strong(email)} ${state}</p>${foldedForm(asked, { act: 'email', title: texts.accountChangeEmail }, emailForm)}`,
    look,
  )}`;
}
