import { escapeHtml } from '../../platform/http/escape-html.ts';
import { pageHeaders } from '../../platform/http/page-headers.ts';

/** Text that is HTML already. Everything else that goes into a page is escaped. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Html | readonly Html[] | null | undefined | false;

function textOf(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(({ text }) => text).join('');
  return escapeHtml(String(part));
}

/** A template whose values are escaped: `html\`<p>${name}</p>\``. */
export const html = (strings: TemplateStringsArray, ...parts: Part[]): Html =>
  new Html(strings.reduce((text, string, index) => text + textOf(parts[index - 1]) + string));

const STYLE = `:root{color-scheme:light dark;--ink:#16202e;--dim:#51607a;--ground:#eef1f6;--card:#fff;--line:#c3ccda;--accent:#0b57c2;--on:#fff;--bad:#a4161a}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf5;--dim:#a6b3c8;--ground:#0f151e;--card:#182130;--line:#38465c;--accent:#8ab8ff;--on:#08111f;--bad:#ff9a9a}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:26rem;margin:0 auto;padding:1rem;min-height:100vh;display:flex;flex-direction:column;justify-content:center}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.5rem}
h1{font-size:1.35rem;line-height:1.25;margin:0 0 .75rem}p{margin:.5rem 0 1rem}.dim{color:var(--dim);font-size:.9rem}.bad{color:var(--bad);font-weight:600}
label{display:block;font-weight:600;margin:.9rem 0 .25rem}input:not([type=checkbox]){width:100%;padding:.6rem .7rem;font:inherit;color:inherit;background:var(--ground);border:1px solid var(--dim);border-radius:8px}
ul{list-style:none;padding:0;margin:1rem 0}li{margin:.4rem 0}li label{display:flex;gap:.6rem;margin:0;font-weight:400}
button{width:100%;margin-top:1rem;padding:.7rem;font:inherit;font-weight:600;border-radius:8px;border:1px solid var(--accent);background:var(--accent);color:var(--on);cursor:pointer}
[hidden]{display:none}button:disabled{opacity:.6;cursor:default}button.plain{background:none;color:var(--accent)}code{overflow-wrap:anywhere}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}`;

export type Page = {
  readonly title: string;
  readonly body: Html;
  /** Path of a script of ours; a page works without it. */
  readonly script?: string;
  /** Address elsewhere, where a browser goes at once: a form that is redirected may only lead to known places. */
  readonly goesOnTo?: string;
};

/** A whole document: one style element, and no script that stands in it. */
export const documentOf = ({ title, body, script, goesOnTo }: Page): string =>
  html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">${goesOnTo === undefined ? null : html`<meta http-equiv="refresh" content="0;url=${goesOnTo}">`}<title>${title} · Sallyport</title><style>${new Html(STYLE)}</style>${script === undefined ? null : html`<script src="${script}" defer></script>`}</head><body><main><section><h1>${title}</h1>${body}</section></main></body></html>`
    .text;

/**
 * Headers of a page. `referrer-policy` is `same-origin`, not `no-referrer`: with that a browser sends `Origin: null`
 * with our own forms.
 * @param formTargets where forms may lead beside our own origin, redirects included
 */
export const formPageHeaders = (
  { script }: Pick<Page, 'script'>,
  formTargets: readonly string[] = [],
): Record<string, string> => ({
  ...pageHeaders({
    styles: [STYLE],
    ...(script === undefined ? {} : { scripts: 'own', connects: true }),
    formAction: ["'self'", ...formTargets].join(' '),
    keepsOpener: true,
  }),
  'cache-control': 'no-store',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
});
