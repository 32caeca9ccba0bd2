import { html } from '#services/platform/html/html.ts';

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

/** Renders a mail as plain text and as simple HTML without images, external styles or tracking. */
export function renderMail({ subject, paragraphs, link }: Letter): { subject: string; text: string; html: string } {
  const url = link && addressOf(link);
  const text = [...paragraphs, ...(link ? [`${link.label}:\n${url}`] : [])].join('\n\n');
  const lines = [
    ...paragraphs.map((paragraph) => html`<p>${paragraph}</p>\n`),
    ...(link && url
      ? [
          html`<p><a href="${url}">${link.label}</a></p>\n`,
          html`<p>Or paste this code at ${link.page}:<br><code>${link.code}</code></p>\n`,
        ]
      : []),
  ];
  return {
    subject,
    text: `${text}\n`,
    html: html`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${subject}</title></head><body>\n${lines}</body></html>\n`
      .text,
  };
}
