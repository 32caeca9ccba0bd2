import { type Brand, coloursOf } from './brand.ts';
import { type Html, html, raw } from './html.ts';
import { COLOURS, SIZES } from './tokens.ts';

/**
 * Parts of a mail. Every style is inline, because many mail programs drop the head; the element in the head only replaces
 * colours in the dark, in programs that read it. Texts keep their contrast in both, and where a program inverts colours.
 */
const { ink, dim, ground, card, line } = COLOURS;

const darkRules = (brand: Brand): string => {
  const { solid, on } = coloursOf(brand);
  return `@media(prefers-color-scheme:dark){.ground{background:${ground[1]}!important}.card{background:${card[1]}!important;border-color:${line[1]}!important}.ink{color:${ink[1]}!important}.dim{color:${dim[1]}!important}.code{background:${ground[1]}!important;border-color:${line[1]}!important}.button{background:${solid[1]}!important;color:${on[1]}!important}}`;
};

export const mailText = (text: string): Html =>
  html`<p class="ink" style="margin:0 0 16px;color:${ink[0]};overflow-wrap:anywhere">${text}</p>\n`;

export function mailButton(label: string, url: string, brand: Brand): Html {
  const { solid, on } = coloursOf(brand);
  return html`<p style="margin:24px 0"><a class="button" href="${url}" style="display:inline-block;padding:12px 20px;border-radius:${SIZES.radius};background:${solid[0]};color:${on[0]};font-weight:600;text-decoration:none">${label}</a></p>\n`;
}

/** A code to type, in characters that are told apart. */
export const mailCode = (code: string): Html =>
  html`<p class="code ink" dir="ltr" style="margin:0 0 16px;padding:12px;border:1px solid ${line[0]};border-radius:${SIZES.radius};background:${ground[0]};color:${ink[0]};font:600 22px/1.4 ${SIZES.mono};letter-spacing:2px;text-align:center">${code}</p>\n`;

type MailDocument = {
  readonly subject: string;
  /** BCP 47 */
  readonly language: string;
  readonly brand: Brand;
  readonly body: readonly Html[];
};

/** A whole mail: the name of the service, its subject as heading, and the body. It loads nothing. */
export const mailDocument = ({ subject, language, brand, body }: MailDocument): string =>
  html`<!doctype html><html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"><title>${subject}</title><style>:root{color-scheme:light dark}${raw(darkRules(brand))}</style></head>
<body class="ground" style="margin:0;padding:0;background:${ground[0]}"><div class="ground" role="main" style="padding:24px 12px;background:${ground[0]};font-size:16px;line-height:1.5;font-family:${SIZES.font}">
<div style="max-width:480px;margin:0 auto"><p class="dim" style="margin:0 0 12px;color:${dim[0]};font-weight:600"><bdi>${brand.name}</bdi></p>
<div class="card" style="padding:24px;border:1px solid ${line[0]};border-radius:${SIZES['radius-card']};background:${card[0]}"><h1 class="ink" style="margin:0 0 16px;color:${ink[0]};font-size:21px;line-height:1.3">${subject}</h1>
${body}</div></div></div></body></html>
`.text;
