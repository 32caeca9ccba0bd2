import { escapeHtml } from '../../../platform/http/escape-html.ts';

/** What a mail says, before it has a form. Plain text without markup. */
export type Letter = {
  readonly subject: string;
  readonly paragraphs: readonly string[];
  readonly link?: {
    readonly label: string;
    /** Page of ours. */
    readonly page: string;
    /** Rides in the fragment, which no server, log or `Referer` sees. */
    readonly code: string;
  };
};

/** Text for every reader, and the same as simple HTML: no image, no style that is fetched, nothing that is counted. */
export function renderMail({ subject, paragraphs, link }: Letter): { subject: string; text: string; html: string } {
  const url = link && `${link.page}#${link.code}`;
  const text = [...paragraphs, ...(link ? [`${link.label}:\n${url}`] : [])].join('\n\n');
  const body = [
    ...paragraphs.map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`),
    ...(link && url
      ? [
          `<p><a href="${escapeHtml(url)}">${escapeHtml(link.label)}</a></p>`,
          `<p>Or paste this code at ${escapeHtml(link.page)}:<br><code>${escapeHtml(link.code)}</code></p>`,
        ]
      : []),
  ].join('\n');
  return {
    subject,
    text: `${text}\n`,
    html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(subject)}</title></head><body>\n${body}\n</body></html>\n`,
  };
}
