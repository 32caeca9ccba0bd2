import { shownUserCode } from '#services/core/shared/user-codes.ts';
import type { LanguageTag } from '#services/platform/define/languages.ts';
import { type Brand, DEFAULT_BRAND } from '#services/platform/html/brand.ts';
import { mailButton, mailCode, mailDocument, mailText } from '#services/platform/html/mail.ts';

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
    /** Code that a reader types on the same page; none for the page of an application. */
    readonly typed?: string;
    /** True for the page of an application that reads the code from `?token=`, as Better Auth's client does. */
    readonly isInQuery?: boolean;
  };
};

type Link = NonNullable<Letter['link']>;

function addressOf({ page, code, isInQuery = false }: Link): string {
  if (!isInQuery) return `${page}#${code}`;
  const url = new URL(page);
  url.searchParams.set('token', code);
  return url.href;
}

/** For readers who cannot open the link where they read the mail. */
const TYPE: Readonly<Record<LanguageTag, (place: string) => string>> = {
  en: (place) => `Or open ${place} and enter this code:`,
  de: (place) => `Oder öffnen Sie ${place}, und geben Sie diesen Code ein:`,
};

/** The page without the query of an application: short enough to type. */
const placeOf = ({ page }: Link): string => page.split('?', 1)[0] as string;

/** Renders a mail as plain text and as HTML without images, external styles or tracking. */
export function renderMail(
  { subject, paragraphs, link }: Letter,
  language: LanguageTag = 'en',
  brand: Brand = DEFAULT_BRAND,
): { readonly subject: string; readonly text: string; readonly html: string } {
  const typing = link?.typed && { how: TYPE[language](placeOf(link)), code: shownUserCode(link.typed) };
  const text = [
    ...paragraphs,
    ...(link ? [`${link.label}:\n${addressOf(link)}`] : []),
    ...(typing ? [`${typing.how}\n${typing.code}`] : []),
  ].join('\n\n');
  const body = [
    ...paragraphs.map(mailText),
    ...(link ? [mailButton(link.label, addressOf(link), brand)] : []),
    ...(typing ? [mailText(typing.how), mailCode(typing.code)] : []),
  ];
  return { subject, text: `${text}\n`, html: mailDocument({ subject, language, brand, body }) };
}
