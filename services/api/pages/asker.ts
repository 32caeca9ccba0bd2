import type { Asker } from '#services/domain/oauth/authorize/next-path.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { strong } from './fields.ts';
import type { Texts } from './texts/english.ts';
import { say } from './texts/texts.ts';

/** The logo of an application. Its name stands beside it, so that the image itself says nothing. */
export const logoOf = (path: string | null | undefined): Html | null =>
  path ? html`<img class="app" src="${path}" alt="" width="48" height="48">` : null;

/** Which application sent the user to a page. */
export const askerLine = (asker: Asker | null | undefined, texts: Texts): Html | null =>
  asker
    ? html`${logoOf(asker.logoPath)}<p>${say(texts.openedFrom, { client: strong(asker.name), host: html`<code>${asker.host}</code>` })}</p>`
    : null;
