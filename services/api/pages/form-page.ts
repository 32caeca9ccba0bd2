import { type Html, html } from '#services/platform/html/html.ts';
import { documentOf, NO_INDEX, styleOf } from '#services/platform/html/page.ts';
import { pageHeaders } from '#services/platform/html/page-headers.ts';

const STYLE =
  styleOf(`main{max-width:26rem;margin:0 auto;padding:1rem;min-height:100vh;display:flex;flex-direction:column;justify-content:center}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.5rem}
h1{font-size:1.35rem;line-height:1.25;margin:0 0 .75rem}p{margin:.5rem 0 1rem}.dim{font-size:.9rem}
label{display:block;font-weight:600;margin:.9rem 0 .25rem}input:not([type=checkbox]){width:100%;padding:.6rem .7rem;font:inherit;color:inherit;background:var(--ground);border:1px solid var(--dim);border-radius:8px}
ul{list-style:none;padding:0;margin:1rem 0}li{margin:.4rem 0}li label{display:flex;gap:.6rem;margin:0;font-weight:400}
button{width:100%;margin-top:1rem;padding:.7rem;font:inherit;font-weight:600;border-radius:8px;border:1px solid var(--accent);background:var(--accent);color:var(--on);cursor:pointer}
button:disabled{opacity:.6;cursor:default}button.plain{background:none;color:var(--accent)}`);

export type Page = {
  readonly title: string;
  readonly body: Html;
  /** Path of one of our scripts; a page works without it. */
  readonly script?: string;
  /**
   * External address to which the page redirects immediately: the policy must list the redirect target of a form.
   */
  readonly goesOnTo?: string;
};

/** A form page as a complete document. Its script is a separate file: the page contains no inline script. */
export const formPage = ({ title, body, script, goesOnTo }: Page): string =>
  documentOf({
    title: `${title} · Sallyport`,
    style: STYLE,
    head: html`${NO_INDEX}${goesOnTo === undefined ? null : html`<meta http-equiv="refresh" content="0;url=${goesOnTo}">`}${script === undefined ? null : html`<script src="${script}" defer></script>`}`,
    body: html`<main><section><h1>${title}</h1>${body}</section></main>`,
  });

/**
 * Headers of a page. `referrer-policy` is `same-origin`: with `no-referrer` a browser sends `Origin: null` with
 * forms of our own origin.
 * @param formTargets origins other than ours where forms may lead, redirects included
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
