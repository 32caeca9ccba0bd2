import { type Html, html } from '#services/platform/html/html.ts';
import { copyButton } from '../copy-button.ts';
import type { Texts } from '../texts/english.ts';

/**
 * Recovery codes, and ways to keep them: the download works without script, and the buttons are hidden until the script
 * of the page can copy and print. A script that gets the codes fills an empty block.
 */
export function codesBlock(codes: readonly string[], texts: Texts): Html {
  const lines = codes.join('\n');
  const file = `data:text/plain;charset=utf-8,${encodeURIComponent(`${lines}\n`)}`;
  const others = html`<a class="button plain small" download="recovery-codes.txt" href="${file}">${texts.download}</a><button class="plain small" type="button" data-prints hidden>${texts.print}</button>`;
  return html`<p>${texts.codesOnce}</p><pre class="codes" id="codes">${lines}</pre>${copyButton('codes', texts.copy, texts, others)}`;
}
