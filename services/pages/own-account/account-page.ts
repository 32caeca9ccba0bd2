import { ACCOUNT_SECTIONS } from '#services/core/oauth/account-sections.ts';
import type { AccountSection } from '#services/core/oauth/own-account-page-contract.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { hidden, strong } from '../fields.ts';
import type { FormPage, Look } from '../form-page.ts';
import { COPY_SCRIPT, PAGE_SCRIPT } from '../page-script.ts';
import type { Texts } from '../texts/english.ts';
import { say } from '../texts/texts.ts';
import type { AccountOwner, AccountPage, SectionView, ViewOf } from './account-view.ts';
import { applicationsSection, keysSection, sessionsSection } from './list-sections.ts';
import { foldedForm, formOf, noteOf, partOf, submit } from './parts.ts';
import { securitySection } from './security-section.ts';

function profileSection(asked: AccountPage<ViewOf<'profile'>>, look: Look): Html {
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

/** The export of the data, and apart from it the end of the account. */
function dataSection(asked: AccountPage<ViewOf<'data'>>, look: Look): Html {
  const { texts } = look.language;
  const form = formOf(
    asked,
    'delete',
    html`<label for="delete-email">${say(texts.accountDeleteLabel, { email: strong(asked.owner.email) })}</label><input id="delete-email" name="email" type="email" autocomplete="off" required maxlength="254"><button class="danger" type="submit">${texts.accountDeleteButton}</button>`,
  );
  return html`${partOf(
    asked,
    'export',
    texts.accountData,
    html`<p>${texts.accountExportWhy}</p><p class="acts"><a class="button" href="/account/export">${texts.accountExport}</a></p>`,
    look,
  )}${partOf(
    asked,
    'delete',
    texts.accountDelete,
    html`<p>${texts.accountDeleteWhy}</p>${foldedForm(asked, { act: 'delete', title: texts.accountDeleteOpen }, form)}`,
    look,
  )}`;
}

const NAMES: Readonly<Record<AccountSection, keyof Texts>> = {
  profile: 'accountProfile',
  security: 'accountSecurity',
  sessions: 'accountSessionsName',
  applications: 'accountApplications',
  keys: 'accountKeys',
  data: 'accountData',
};

/** Lines on a ground of 20 by 20. */
const ICON_PATHS: Readonly<Record<AccountSection, string>> = {
  profile: 'M10 9.5a3.25 3.25 0 1 0 0-6.5 3.25 3.25 0 0 0 0 6.5zM3.5 17c.5-3 3-4.75 6.5-4.75S16 14 16.5 17',
  security: 'M10 2.5l6 2.25v4.5c0 3.75-2.5 6.5-6 8.25-3.5-1.75-6-4.5-6-8.25v-4.5z',
  sessions: 'M2.5 4h15v9.5h-15zM10 13.5V17M6.5 17h7',
  applications: 'M3 3h5.5v5.5H3zM11.5 3H17v5.5h-5.5zM3 11.5h5.5V17H3zM11.5 11.5H17V17h-5.5z',
  keys: 'M9.5 10a3.25 3.25 0 1 1-6.5 0 3.25 3.25 0 0 1 6.5 0zM9.5 10H17v3M13.5 10v2.5',
  data: 'M10 3v9M6.5 8.5 10 12l3.5-3.5M3 14v3h14v-3',
};

/** A picture beside a name, which says nothing itself. */
const iconOf = (section: AccountSection): Html =>
  html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="${ICON_PATHS[section]}"/></svg>`;

function bodyOf({ view, ...asked }: AccountPage, look: Look): Html {
  switch (view.section) {
    case 'profile':
      return profileSection({ ...asked, view }, look);
    case 'security':
      return securitySection({ ...asked, view }, look);
    case 'sessions':
      return sessionsSection({ ...asked, view }, look);
    case 'applications':
      return applicationsSection({ ...asked, view }, look);
    case 'keys':
      return keysSection({ ...asked, view }, look);
    case 'data':
      return dataSection({ ...asked, view }, look);
  }
}

function navigationOf(here: SectionView['section'], { usesConsole }: AccountOwner, texts: Texts): Html {
  const links = Object.entries(ACCOUNT_SECTIONS).map(([name, { path }]) => {
    const section = name as AccountSection;
    return html`<li><a href="${path}"${section === here ? html` aria-current="page"` : null}>${iconOf(section)}${texts[NAMES[section]]}</a></li>`;
  });
  const toConsole = usesConsole ? html`<li><a href="/console">${texts.console}</a></li>` : null;
  return html`<nav aria-label="${texts.accountTitle}"><ul>${links}${toConsole}</ul></nav>`;
}

/** The first character of the name, else of the address: a picture that every account has. */
const initialOf = ({ name, email }: AccountOwner): string => [...(name.trim() || email)][0]?.toUpperCase() ?? '';

const ownerOf = (owner: AccountOwner, formToken: string, texts: Texts): Html =>
  html`<div class="who"><span class="avatar" aria-hidden="true"><bdi>${initialOf(owner)}</bdi></span><div><h1>${texts.accountTitle}</h1><span class="dim"><bdi>${owner.email}</bdi></span></div><form method="post" action="/logout">${hidden('form_token', formToken)}${submit(texts.signOut, 'small')}</form></div>`;

/** One section of what users see and change about their own account; all works without script, except adding a passkey. */
export const accountPage =
  (asked: AccountPage): FormPage =>
  (look) => {
    const { texts } = look.language;
    const { section } = asked.view;
    return {
      title: `${texts[NAMES[section]]} · ${texts.accountTitle}`,
      beside: {
        top: ownerOf(asked.owner, asked.formToken, texts),
        navigation: navigationOf(section, asked.owner, texts),
      },
      ...(section === 'security' ? { script: '/account/passkey.js' } : {}),
      inlineScript: PAGE_SCRIPT + COPY_SCRIPT,
      body: html`${noteOf(asked.outcome, 'top', look)}${bodyOf(asked, look)}`,
    };
  };
