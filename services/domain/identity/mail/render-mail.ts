import type { LanguageTag } from '#services/platform/define/languages.ts';
import { type Html, html } from '#services/platform/html/html.ts';

/** The text of a mail before rendering. Plain text without markup. */
export type Letter = {
  readonly subject: string;
  readonly paragraphs: readonly string[];
  readonly link?: {
    readonly label: string;
    /** One of our pages, or the page that an application named. */
    readonly page: string;
    /** Sent in the fragment, which no server, log or `Referer` sees. */
    readonly code: string;
    /** True for the page of an application that reads the code from `?token=`, as Better Auth's client does. */
    readonly isInQuery?: boolean;
  };
};

function addressOf({ page, code, isInQuery = false }: NonNullable<Letter['link']>): string {
  if (!isInQuery) return `${page}#${code}`;
  const url = new URL(page);
  url.searchParams.set('token', code);
  return url.href;
}

type RenderedMail = { readonly subject: string; readonly text: string; readonly html: string };

/** For readers whose mail program does not open the link. */
const PASTE: Readonly<Record<LanguageTag, (page: string, code: Html) => Html>> = {
  en: (page, code) => html`Or paste this code at ${page}:<br>${code}`,
  de: (page, code) => html`Oder fügen Sie diesen Code auf ${page} ein:<br>${code}`,
};

/** Renders a mail as plain text and as simple HTML without images, external styles or tracking. */
export function renderMail({ subject, paragraphs, link }: Letter, language: LanguageTag = 'en'): RenderedMail {
  const url = link && addressOf(link);
  const text = [...paragraphs, ...(link ? [`${link.label}:\n${url}`] : [])].join('\n\n');
  const lines = [
    ...paragraphs.map((paragraph) => html`<p>${paragraph}</p>\n`),
    ...(link && url
      ? [
          html`<p><a href="${url}">${link.label}</a></p>\n`,
          html`<p>${PASTE[language](link.page, html`<code>${link.code}</code>`)}</p>\n`,
        ]
      : []),
  ];
  return {
    subject,
    text: `${text}\n`,
    html: html`<!doctype html><html lang="${language}"><head><meta charset="utf-8"><title>${subject}</title></head><body>\n${lines}</body></html>\n`
      .text,
  };
}
