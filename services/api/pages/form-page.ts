import { type Brand, DEFAULT_BRAND } from '#services/platform/html/brand.ts';
import { type Html, html, raw } from '#services/platform/html/html.ts';
import { brandRules, documentOf, NO_INDEX, styleOf } from '#services/platform/html/page.ts';
import { pageHeaders } from '#services/platform/html/page-headers.ts';
import { ENGLISH, type Language } from './texts/texts.ts';

const RULES = `main{max-width:26rem;margin:0 auto;padding:1rem;min-height:100vh;display:flex;flex-direction:column;justify-content:center;overflow-wrap:anywhere}
header{display:flex;align-items:center;gap:.6rem;margin:0 0 .75rem;font-weight:600;color:var(--dim)}header img{max-height:2.5rem;max-width:10rem}
img.app{display:block;width:3rem;height:3rem;object-fit:contain;margin:0 0 .75rem;background:#fff;border-radius:8px}
svg.qr{display:block;width:14rem;max-width:100%;border-radius:8px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.5rem}
h1{font-size:1.35rem;line-height:1.25;margin:0 0 .75rem}p{margin:.5rem 0 1rem}.dim{font-size:.9rem}
label{display:block;font-weight:600;margin:.9rem 0 .25rem}input:not([type=checkbox],[type=radio]){width:100%;padding:.6rem .7rem;font:inherit;color:inherit;background:var(--ground);border:1px solid var(--dim);border-radius:8px}
strong,code{unicode-bidi:isolate}
ul{list-style:none;padding:0;margin:1rem 0}li{margin:.4rem 0}li label,label.check{display:flex;gap:.6rem;margin:0;font-weight:400}label.check{margin:.5rem 0}
li a{display:inline-block;padding:.2rem 0}h2{font-size:1rem;margin:1.25rem 0 .25rem}pre{margin:.5rem 0 1rem;padding:.7rem;max-height:20rem;overflow:auto;white-space:pre-wrap;background:var(--ground);border:1px solid var(--line);border-radius:8px}fieldset{border:1px solid var(--line);border-radius:8px;margin:1rem 0 0}
button{width:100%;margin-top:1rem;padding:.7rem;font:inherit;font-weight:600;border-radius:8px;border:1px solid var(--accent);background:var(--accent);color:var(--on);cursor:pointer}
button:disabled{opacity:.6;cursor:default}button.plain{background:none;color:var(--accent)}
h2{font-size:1rem;margin:1.5rem 0 .25rem}pre{font:inherit;white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 1rem}
.part{border-top:1px solid var(--line);margin-top:1.5rem}
p.links{margin:1rem 0 0;font-size:.9rem}
footer{margin-top:.75rem;font-size:.9rem;display:flex;gap:1rem;flex-wrap:wrap}
`;

/** How pages look to one request: the brand of the service and the language of the browser. */
export type Look = { readonly brand: Brand; readonly language: Language };

/** For a page whose request is unknown. */
const PLAIN_LOOK: Look = { brand: DEFAULT_BRAND, language: ENGLISH };

type PageParts = {
  readonly title: string;
  /** The title with names set apart from the text around them, whatever their direction; by default the title. */
  readonly heading?: Html;
  readonly body: Html;
  /** Path of one of our scripts; a page works without it. */
  readonly script?: string;
  /** Text of a script in the page, allowed by its hash. */
  readonly inlineScript?: string;
  /** Whether it shows images of our origin. */
  readonly loadsOwnImages?: boolean;
  /**
   * External address to which the page redirects immediately: the policy must list the redirect target of a form.
   */
  readonly goesOnTo?: string;
};

/** A page before its look is known. */
export type Page = (look: Look) => PageParts;

const styles = new WeakMap<Brand, string>();
/** The stylesheet of every form page, made once for a brand. */
function styleFor(brand: Brand): string {
  const known = styles.get(brand);
  if (known !== undefined) return known;
  const made = styleOf(RULES + brandRules(brand));
  styles.set(brand, made);
  return made;
}

const headerOf = ({ name, logoUrl }: Brand): Html =>
  html`<header>${logoUrl === undefined ? null : html`<img src="${logoUrl}" alt="">`}<bdi>${name}</bdi></header>`;

function footerOf({ brand: { termsUrl, privacyUrl }, language: { texts } }: Look): Html | null {
  const links = [
    [termsUrl, texts.terms],
    [privacyUrl, texts.privacy],
  ].filter((pair): pair is [string, string] => pair[0] !== undefined);
  return links.length === 0
    ? null
    : html`<footer>${links.map(([url, text]) => html`<a href="${url}" rel="noreferrer">${text}</a>`)}</footer>`;
}

/** A form page as a complete document. */
export function formPage(page: Page, look: Look = PLAIN_LOOK): string {
  const { title, heading, body, script, inlineScript, goesOnTo } = page(look);
  return documentOf({
    title: `${title} · ${look.brand.name}`,
    style: styleFor(look.brand),
    language: look.language.tag,
    head: html`${NO_INDEX}${goesOnTo === undefined ? null : html`<meta http-equiv="refresh" content="0;url=${goesOnTo}">`}${script === undefined ? null : html`<script src="${script}" defer></script>`}`,
    body: html`<main>${headerOf(look.brand)}<section><h1>${heading ?? title}</h1>${body}</section>${footerOf(look)}</main>${inlineScript === undefined ? null : html`<script>${raw(inlineScript)}</script>`}`,
  });
}

/**
 * Headers of a page. `referrer-policy` is `same-origin`: with `no-referrer` a browser sends `Origin: null` with
 * forms of our own origin. A fragment, where mailed links have their code, is in no `Referer`.
 * @param formTargets origins other than ours where forms may lead, redirects included
 */
export function formPageHeaders(
  page: Page,
  formTargets: readonly string[] = [],
  look: Look = PLAIN_LOOK,
): Record<string, string> {
  const { script, inlineScript, loadsOwnImages = false } = page(look);
  const { logoUrl } = look.brand;
  const images = [...(logoUrl === undefined ? [] : [logoUrl]), ...(loadsOwnImages ? ["'self'"] : [])];
  return {
    ...pageHeaders({
      styles: [styleFor(look.brand)],
      ...(images.length === 0 ? {} : { images }),
      ...(script === undefined ? {} : { loadsOwnScripts: true, connects: true }),
      ...(inlineScript === undefined ? {} : { scripts: [inlineScript] }),
      formAction: ["'self'", ...formTargets].join(' '),
      keepsOpener: true,
    }),
    'cache-control': 'no-store',
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  };
}
