import { documentOf, NO_INDEX, styleOf } from '#services/pages/page.ts';
import { pageHeaders } from '#services/pages/page-headers.ts';
import { type Brand, DEFAULT_BRAND } from '#services/platform/html/brand.ts';
import { type Html, html, raw } from '#services/platform/html/html.ts';
import { COME_BACK_SCRIPT } from './page-script.ts';
import { ENGLISH, type Language } from './texts/texts.ts';

const RULES = `main{max-width:26rem;margin:0 auto;padding:1rem;min-height:100vh;display:flex;flex-direction:column;justify-content:center;overflow-wrap:anywhere}
header{display:flex;align-items:center;gap:.6rem;margin:0 0 .75rem;font-weight:600}header img{max-height:2.5rem;max-width:10rem}
img.app{display:block;width:3rem;height:3rem;object-fit:contain;margin:0 0 .75rem;background:#fff;border-radius:var(--radius)}
svg.qr{display:block;width:14rem;max-width:100%;border-radius:var(--radius)}
section{padding:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:var(--radius-card)}h1{margin:0 0 .75rem}h2{margin:1.5rem 0 .25rem}p{margin:.5rem 0 1rem}.dim,footer,p.links,dt{font-size:.9rem}
h1,h2,p,label,button,summary,dt,li a{hyphens:auto}strong,code,bdi,input{hyphens:manual}strong,code{unicode-bidi:isolate}
label{display:block;font-weight:600;margin:.9rem 0 .25rem}input:not([type=checkbox],[type=radio]){padding:.6rem .7rem}
ul{list-style:none;padding:0;margin:1rem 0}li{margin:.4rem 0}li label,label.check{display:flex;align-items:center;gap:.6rem;margin:0;font-weight:400}label.check{margin:.5rem 0}
li a{display:inline-block;padding:.2rem 0}fieldset{border:1px solid var(--line);border-radius:var(--radius);margin:1rem 0 0}fieldset.bare{border:0;margin:0;padding:0;min-width:0}
input.code{font-family:var(--mono)!important;letter-spacing:.12em;text-transform:uppercase}
dl{margin:.5rem 0 1rem}dt{color:var(--dim)}dd{margin:0 0 .5rem}
pre{margin:.5rem 0 1rem;padding:.7rem;max-height:20rem;overflow:auto;white-space:pre-wrap;background:var(--ground);border:1px solid var(--line);border-radius:var(--radius)}
pre.codes{max-height:none;columns:8rem}pre.mail{max-height:none;font:inherit}
button,.button,summary{display:inline-block;width:100%;margin-top:1rem;padding:.6rem 1rem;text-align:center;border:1px solid var(--solid);border-radius:var(--radius);font-weight:500;background:var(--solid);color:var(--on);cursor:pointer}
button.plain,a.plain,summary{border-color:var(--edge);background:none;color:var(--accent)}button.small,a.small,summary{width:auto;margin:0;padding:.35rem .8rem;font-size:.9rem}
button.danger{background:var(--bad-solid);border-color:var(--bad-solid);color:#fff}button.plain.danger{background:none;color:var(--bad)}
summary{list-style:none}summary::-webkit-details-marker{display:none}details[open]>summary{border-color:var(--line)}
.bad,.good{color:var(--bad);font-weight:600}.good{color:var(--good)}[role=alert]:empty,p.links{margin:0}p.links{margin-top:1rem}
footer{margin-top:.75rem;display:flex;gap:1rem;flex-wrap:wrap}
@media print{nav,header,footer,form,.acts,.links,.who,[role=alert]{display:none!important}section{border:0;padding:0}}
`;

/** For pages with a navigation beside their parts. */
const WIDE_RULES = `main{max-width:58rem;justify-content:flex-start}
.who{display:flex;align-items:center;gap:.75rem;margin:.5rem 0 1rem}.who>div{flex:1;min-width:0}.who h1{margin:0}
.avatar{flex:none;display:grid;place-items:center;width:2.75rem;height:2.75rem;border-radius:50%;background:var(--solid);color:var(--on);font-size:1.2rem;font-weight:700}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem;margin:0 0 1rem}nav li{margin:0}
nav a{display:flex;align-items:center;gap:.5rem;padding:.4rem .6rem;border:1px solid transparent;border-radius:var(--radius);color:inherit;text-decoration:none}
nav a:hover{border-color:var(--line)}nav a[aria-current]{background:var(--card);border-color:var(--line);color:var(--accent);font-weight:600}
section{padding:1.25rem}section+section,.note+section{margin-top:1rem}section h2{font-size:1.1rem;margin:0 0 .5rem}section>:last-child{margin-bottom:0}
section.apart{margin-top:2.5rem;border-color:var(--bad)}section.apart h2{color:var(--bad)}section.apart summary{border-color:var(--bad);color:var(--bad)}
.rows{margin:.5rem 0 1rem}.rows li{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:flex-start;justify-content:space-between;margin:0;padding:.75rem 0;border-top:1px solid var(--line)}.rows li:first-child{border-top:0;padding-top:.25rem}.rows li>div{flex:1 1 14rem;min-width:0}
.rows details{margin-top:.5rem}
.sections{display:grid;gap:1rem}.sections section{margin:0}.middle,.middle .acts{text-align:center;justify-content:center}.middle>:first-child{margin-top:0}
@media(max-width:30rem){.avatar{display:none}nav{overflow-wrap:normal}nav li{flex:1 1 40%}nav a,nav a[aria-current]{padding:.4rem;gap:.35rem;font-size:.9rem;font-weight:400}}
@media(min-width:48rem){.sections{grid-template-columns:1fr 1fr}.middle{grid-column:1/-1}.cols{display:grid;grid-template-columns:12rem minmax(0,1fr);gap:1.5rem}nav ul{flex-direction:column}section{padding:1.5rem}
section form,#add-passkey{max-width:26rem}section button,section a.button{width:auto;min-width:9rem}section .small{min-width:0}}
`;

/** How pages look to one request: the brand of the service and the language of the browser. */
export type Look = {
  readonly brand: Brand;
  readonly language: Language;
  /** The page stands for one that could not be shown (503), and is loaded again until it can. */
  readonly comesBack?: boolean;
};

/** Without scripts, a page that comes back is loaded again after this many seconds. */
const RELOAD_SECONDS = 15;

/** For a page whose request is unknown. */
const PLAIN_LOOK: Look = { brand: DEFAULT_BRAND, language: ENGLISH };

type PageParts = {
  readonly title: string;
  /** The title with names set apart from the text around them, whatever their direction; by default the title. */
  readonly heading?: Html;
  readonly body: Html;
  /** The navigation of a wide page, whose body is a row of sections, and what stands above both, its heading included. */
  readonly beside?: { readonly top: Html; readonly navigation: Html };
  /** Whether its body is sections in two columns below the heading. */
  readonly isGrid?: boolean;
  /** Path of one of our scripts; a page works without it. */
  readonly script?: string;
  /** Text of a script in the page, allowed by its hash. */
  readonly inlineScript?: string;
  readonly loadsOwnImages?: boolean;
  /**
   * External address to which the page redirects immediately: the policy must list the redirect target of a form.
   */
  readonly goesOnTo?: string;
  /** Whether its forms lead to other origins only. */
  readonly postsAway?: boolean;
};

export type FormPage = (look: Look) => PageParts;

type Styles = { readonly narrow: string; readonly wide: string };

const styles = new WeakMap<Brand, Styles>();
/** The stylesheet of form pages, made once for a brand. */
function styleFor(brand: Brand, { beside, isGrid }: PageParts): string {
  const known = styles.get(brand) ?? { narrow: styleOf(brand, RULES), wide: styleOf(brand, RULES + WIDE_RULES) };
  styles.set(brand, known);
  return beside === undefined && !isGrid ? known.narrow : known.wide;
}

const headerOf = ({ name, logoUrl }: Brand): Html =>
  html`<header>${logoUrl === undefined ? html`<span class="mark"></span>` : html`<img src="${logoUrl}" alt="">`}<bdi>${name}</bdi></header>`;

function footerOf({ brand: { termsUrl, privacyUrl }, language: { texts } }: Look): Html | null {
  const links = [
    [termsUrl, texts.terms],
    [privacyUrl, texts.privacy],
  ].filter((pair): pair is [string, string] => pair[0] !== undefined);
  return links.length === 0
    ? null
    : html`<footer>${links.map(([url, text]) => html`<a href="${url}" rel="noreferrer">${text}</a>`)}</footer>`;
}

/** What the page says while the service does not answer; hidden until then. */
const awayOf = ({ comesBack, language: { texts } }: Look): Html =>
  html`<p id="away" class="note" role="status"${comesBack ? html` data-reloads="1"` : html` hidden`}>${comesBack ? texts.comesBack : texts.serviceAway}</p>`;

function contentOf({ title, heading, body, beside, isGrid }: PageParts): Html {
  const head = html`<h1>${heading ?? title}</h1>`;
  if (isGrid) return html`${head}<div class="sections">${body}</div>`;
  return beside === undefined
    ? html`<section>${head}${body}</section>`
    : html`${beside.top}<div class="cols">${beside.navigation}<div>${body}</div></div>`;
}

/** Whether the page holds its forms while the service does not answer: not those that lead elsewhere at once. */
const comesBackOf = ({ goesOnTo, postsAway = false }: PageParts): boolean => goesOnTo === undefined && !postsAway;

export function formPage(page: FormPage, look: Look = PLAIN_LOOK): string {
  const parts = page(look);
  const { title, script, inlineScript, goesOnTo } = parts;
  const holds = comesBackOf(parts);
  return documentOf({
    title: `${title} · ${look.brand.name}`,
    style: styleFor(look.brand, parts),
    language: look.language.tag,
    head: html`${NO_INDEX}${goesOnTo === undefined ? null : html`<meta http-equiv="refresh" content="0;url=${goesOnTo}">`}${script === undefined ? null : html`<script src="${script}" defer></script>`}${look.comesBack ? html`<noscript><meta http-equiv="refresh" content="${RELOAD_SECONDS}"></noscript>` : null}`,
    body: html`<main>${headerOf(look.brand)}${holds && !look.comesBack ? awayOf(look) : null}${contentOf(parts)}${holds && look.comesBack ? awayOf(look) : null}${footerOf(look)}</main>${holds ? html`<script>${raw(COME_BACK_SCRIPT)}</script>` : null}${inlineScript === undefined ? null : html`<script>${raw(inlineScript)}</script>`}`,
  });
}

/**
 * Headers of a page. `referrer-policy` is `same-origin`: with `no-referrer` a browser sends `Origin: null` with
 * forms of our own origin. A fragment, where mailed links have their code, is in no `Referer`.
 * @param formTargets origins other than ours where forms may lead, redirects included
 */
export function formPageHeaders(
  page: FormPage,
  formTargets: readonly string[] = [],
  look: Look = PLAIN_LOOK,
): Record<string, string> {
  const parts = page(look);
  const { script, inlineScript, loadsOwnImages = false, postsAway = false } = parts;
  const holds = comesBackOf(parts);
  const scripts = [...(holds ? [COME_BACK_SCRIPT] : []), ...(inlineScript === undefined ? [] : [inlineScript])];
  const { logoUrl } = look.brand;
  const images = [...(logoUrl === undefined ? [] : [logoUrl]), ...(loadsOwnImages ? ["'self'"] : [])];
  return {
    ...pageHeaders({
      styles: [styleFor(look.brand, parts)],
      ...(images.length === 0 ? {} : { images }),
      ...(script === undefined ? {} : { loadsOwnScripts: true }),
      ...(script === undefined && !holds ? {} : { connects: true }),
      ...(scripts.length === 0 ? {} : { scripts }),
      formAction: [...(postsAway ? [] : ["'self'"]), ...formTargets].join(' '),
      keepsOpener: true,
    }),
    'cache-control': 'no-store',
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  };
}
