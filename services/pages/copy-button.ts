import { type Html, html } from '#services/platform/html/html.ts';
import type { Texts } from './texts/english.ts';

/**
 * Copies a text of the page, for pages with `COPY_SCRIPT`; hidden until that script finds that the browser can copy.
 * @param of id of the element with the text
 * @param beside further ways to keep it
 */
export const copyButton = (of: string, text: string, texts: Texts, beside: Html | null = null): Html =>
  html`<p class="acts"><button class="plain small" type="button" data-copies="${of}" data-done="${texts.copied}" hidden>${text}</button>${beside} <span role="status"></span></p>`;
