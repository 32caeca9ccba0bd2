import type { Asker } from '#services/core/oauth/authorize/next-path.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { strong } from './fields.ts';
import type { Texts } from './texts/english.ts';
import { say } from './texts/texts.ts';

/** The logo of an application. Its name stands beside it, so that the image itself says nothing. */
export const logoOf = (path: string | null | undefined): Html | null =>
  path ? html`<img class="app" src="${path}" alt="" width="48" height="48">` : null;

/** An application that asks a signed-in user to sign in again, and how to use another account. */
export const confirmLine = (
  asker: Asker,
  { email, otherPath }: { readonly email: string; readonly otherPath: string },
  texts: Texts,
): Html =>
  html`${logoOf(asker.logoPath)}<p>${say(texts.asksToConfirm, { client: strong(asker.name), host: html`<code>${asker.host}</code>`, email: strong(email) })}</p>
<p class="links"><a href="${otherPath}">${texts.anotherAccount}</a></p>`;

/** Which application sent the user to a page. */
export const askerLine = (asker: Asker | null | undefined, texts: Texts): Html | null =>
  asker
    ? html`${logoOf(asker.logoPath)}<p>${say(texts.openedFrom, { client: strong(asker.name), host: html`<code>${asker.host}</code>` })}</p>`
    : null;
