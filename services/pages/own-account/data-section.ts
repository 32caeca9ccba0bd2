import { type Html, html } from '#services/platform/html/html.ts';
import { strong } from '../fields.ts';
import type { Look } from '../form-page.ts';
import { say } from '../texts/texts.ts';
import type { AccountPage, ViewOf } from './account-view.ts';
import { foldedForm, formOf, partOf } from './parts.ts';

/** The export of the data, and apart from it the end of the account. */
export function dataSection(asked: AccountPage<ViewOf<'data'>>, look: Look): Html {
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
