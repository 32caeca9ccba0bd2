import { accentsOf, type Brand } from '../platform/html/brand.ts';
import { type Html, html, raw } from '../platform/html/html.ts';

/** Styles of every page: colours in light and dark, text and focus. */
const BASE_STYLE = `:root{color-scheme:light dark;--ink:#16202e;--dim:#51607a;--ground:#eef1f6;--card:#fff;--line:#c3ccda;--accent:#0b57c2;--on:#fff;--bad:#a4161a}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf5;--dim:#a6b3c8;--ground:#0f151e;--card:#182130;--line:#38465c;--accent:#8ab8ff;--on:#08111f;--bad:#ff9a9a}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}a{color:var(--accent)}
.dim{color:var(--dim)}.bad{color:var(--bad);font-weight:600}[hidden]{display:none!important}code{overflow-wrap:anywhere}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
`;

/** Text of a page's only style element. The page and the hash in its policy must both use it. */
export const styleOf = (ownRules: string): string => BASE_STYLE + ownRules;

/** Rules that replace the accent of `styleOf` by the colour of a brand. */
export function brandRules({ colour }: Pick<Brand, 'colour'>): string {
  if (colour === undefined) return '';
  const { light, onLight, dark, onDark } = accentsOf(colour);
  return `:root{--accent:${light};--on:${onLight}}@media(prefers-color-scheme:dark){:root{--accent:${dark};--on:${onDark}}}\n`;
}

export type HtmlDocument = {
  readonly title: string;
  /** Made by `styleOf`. */
  readonly style: string;
  /** Language of its text (BCP 47); English by default. */
  readonly language?: string;
  /** Further elements of the head. */
  readonly head?: Html | undefined;
  readonly body: Html;
};

/** A whole document with its style inline: a page fetches nothing of its own look. */
export const documentOf = ({ title, style, language = 'en', head, body }: HtmlDocument): string =>
  html`<!doctype html><html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${title}</title><style>${raw(style)}</style>${head}</head><body>${body}</body></html>`
    .text;

/** For the head of a page that search engines must not index. */
export const NO_INDEX: Html = html`<meta name="robots" content="noindex">`;
