import { type Brand, coloursOf, DEFAULT_BRAND } from '../platform/html/brand.ts';
import { type Html, html, raw } from '../platform/html/html.ts';
import { SIZES } from '../platform/html/tokens.ts';

const declared = (values: readonly (readonly [name: string, value: string])[]): string =>
  values.map(([name, value]) => `--${name}:${value}`).join(';');

/** The tokens as custom properties. `data-theme` is the choice of someone who wants another look than the system's. */
function tokensOf(brand: Brand): string {
  const colours = Object.entries(coloursOf(brand));
  const dark = `color-scheme:dark;${declared(colours.map(([name, [, value]]) => [name, value]))}`;
  return `:root{color-scheme:light;${declared([...Object.entries(SIZES), ...colours.map(([name, [value]]) => [name, value] as const)])}}
@media(prefers-color-scheme:dark){:root:not([data-theme=light]){${dark}}}:root[data-theme=dark]{${dark}}
`;
}

/** The mark is ours: a brand of another name has its logo there, or nothing. */
function markOf({ name, logoUrl }: Brand): string {
  if (logoUrl !== undefined)
    return `.mark{background:url("${logoUrl}") center/contain no-repeat}.mark::after{content:none}\n`;
  return name === DEFAULT_BRAND.name ? '' : '.mark{display:none}\n';
}

/** What pages and the console share. */
const BASE_STYLE = `*,::before,::after{box-sizing:border-box}[hidden]{display:none!important}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 var(--font)}a{color:var(--accent)}.dim{color:var(--dim)}
h1{font-size:var(--title);line-height:1.3;font-weight:600;letter-spacing:-.015em;overflow-wrap:anywhere}h2{font-size:1rem;font-weight:600}
code,kbd,pre{font-family:var(--mono);font-size:.92em;overflow-wrap:anywhere}:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
button,.button{border:1px solid var(--line);border-radius:var(--radius);font:inherit;font-weight:500;text-decoration:none;cursor:pointer}button:disabled{opacity:.55;cursor:default}
input,select,textarea{width:100%;font:inherit;color:inherit;background:var(--raised);border:1px solid var(--edge);border-radius:var(--radius)}::placeholder{color:var(--dim);opacity:1}
input:is([type=checkbox],[type=radio]){flex:none;margin:0;width:1.05rem;height:1.05rem;min-height:0;accent-color:var(--solid)}
.card{background:var(--card);border:1px solid var(--line);border-radius:var(--radius-card)}.acts{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center}
.icon{flex:none;width:1.15rem;height:1.15rem;fill:none;stroke:currentColor;stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
.badge{display:inline-flex;align-items:center;padding:.05rem .5rem;border-radius:1rem;background:var(--hover);color:var(--dim);font-size:.8rem;font-weight:500;vertical-align:middle;overflow-wrap:anywhere}
.note{padding:.65rem .8rem;border-radius:var(--radius);background:var(--hover);overflow-wrap:anywhere}:is(.badge,.note).good{background:var(--good-ground);color:var(--good)}
:is(.badge,.note).bad{background:var(--bad-ground);color:var(--bad)}:is(.badge,.note).warn{background:var(--warn-ground)}.badge.warn{color:var(--warn)}
.mark{flex:none;position:relative;width:1.75rem;height:1.75rem;border-radius:7px;background:var(--solid)}
.mark::after{content:"";position:absolute;inset:26% 28%;border:.18rem solid var(--on);border-bottom:0;border-radius:.5rem .5rem 0 0}
`;

/** Text of a page's only style element. The page and the hash in its policy must both use it. */
export const styleOf = (brand: Brand, ownRules = ''): string => tokensOf(brand) + BASE_STYLE + markOf(brand) + ownRules;

type HtmlDocument = {
  readonly title: string;
  /** Made by `styleOf`. */
  readonly style: string;
  /** Language of its text (BCP 47); English by default. */
  readonly language?: string;
  readonly head?: Html | undefined;
  readonly body: Html;
};

/** A whole document with its style inline: a page fetches nothing of its own look. */
export const documentOf = ({ title, style, language = 'en', head, body }: HtmlDocument): string =>
  html`<!doctype html><html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${title}</title><style>${raw(style)}</style>${head}</head><body>${body}</body></html>`
    .text;

/** For the head of a page that search engines must not index. */
export const NO_INDEX: Html = html`<meta name="robots" content="noindex">`;
