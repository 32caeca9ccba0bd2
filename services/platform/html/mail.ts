import { accentsOf, type Brand } from './brand.ts';
import { type Html, html, raw } from './html.ts';

/**
 * Parts of a mail. Every style is inline, because many mail programs drop the head; the element in the head only replaces
 * colours in the dark, in programs that read it. Texts keep their contrast in both, and where a program inverts colours.
 */
const LIGHT = { ink: '#16202e', dim: '#51607a', ground: '#eef1f6', card: '#ffffff', line: '#c3ccda' };
const DARK = { ink: '#e8edf5', dim: '#a6b3c8', ground: '#0f151e', card: '#182130', line: '#38465c' };
/** Of the pages too. */
const ACCENT = '#0b57c2';
const FONT = 'font-family:system-ui,-apple-system,Segoe UI,Roboto,sans-serif';

const darkRules = (brand: Brand): string => {
  const { dark, onDark } = accentsOf(brand.colour ?? ACCENT);
  return `@media(prefers-color-scheme:dark){.ground{background:${DARK.ground}!important}.card{background:${DARK.card}!important;border-color:${DARK.line}!important}.ink{color:${DARK.ink}!important}.dim{color:${DARK.dim}!important}.code{background:${DARK.ground}!important;border-color:${DARK.line}!important}.button{background:${dark}!important;color:${onDark}!important}}`;
};

export const mailText = (text: string): Html =>
  html`<p class="ink" style="margin:0 0 16px;color:${LIGHT.ink};overflow-wrap:anywhere">${text}</p>\n`;

/** The one thing to do. */
export function mailButton(label: string, url: string, brand: Brand): Html {
  const { light, onLight } = accentsOf(brand.colour ?? ACCENT);
  return html`<p style="margin:24px 0"><a class="button" href="${url}" style="display:inline-block;padding:12px 20px;border-radius:8px;background:${light};color:${onLight};font-weight:600;text-decoration:none">${label}</a></p>\n`;
}

/** A code to type, in characters that are told apart. */
export const mailCode = (code: string): Html =>
  html`<p class="code ink" dir="ltr" style="margin:0 0 16px;padding:12px;border:1px solid ${LIGHT.line};border-radius:8px;background:${LIGHT.ground};color:${LIGHT.ink};font:600 22px/1.4 ui-monospace,Menlo,Consolas,monospace;letter-spacing:2px;text-align:center">${code}</p>\n`;

export type MailDocument = {
  readonly subject: string;
  /** BCP 47 */
  readonly language: string;
  readonly brand: Brand;
  readonly body: readonly Html[];
};

/** A whole mail: the name of the service, its subject as heading, and the body. It loads nothing. */
export const mailDocument = ({ subject, language, brand, body }: MailDocument): string =>
  html`<!doctype html><html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"><title>${subject}</title><style>:root{color-scheme:light dark}${raw(darkRules(brand))}</style></head>
<body class="ground" style="margin:0;padding:0;background:${LIGHT.ground}"><div class="ground" role="main" style="padding:24px 12px;background:${LIGHT.ground};font-size:16px;line-height:1.5;${FONT}">
<div style="max-width:480px;margin:0 auto"><p class="dim" style="margin:0 0 12px;color:${LIGHT.dim};font-weight:600"><bdi>${brand.name}</bdi></p>
<div class="card" style="padding:24px;border:1px solid ${LIGHT.line};border-radius:12px;background:${LIGHT.card}"><h1 class="ink" style="margin:0 0 16px;color:${LIGHT.ink};font-size:21px;line-height:1.3">${subject}</h1>
${body}</div></div></div></body></html>
`.text;
