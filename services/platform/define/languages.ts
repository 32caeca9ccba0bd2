/** Languages of pages and mails (BCP 47). To add one, list it here and write its texts: the compiler names them. */
const LANGUAGE_TAGS = ['en', 'de'] as const;
export type LanguageTag = (typeof LANGUAGE_TAGS)[number];

/** Longest `Accept-Language` header that is read. */
const LONGEST = 512;

/** Returns the language that a client prefers among those that exist (RFC 9110 §12.5.4), English if it names none. */
export function preferredLanguage(acceptLanguage: string | undefined): LanguageTag {
  if (acceptLanguage === undefined || acceptLanguage.length > LONGEST) return 'en';
  let best: { readonly tag: LanguageTag; readonly weight: number } | undefined;
  for (const range of acceptLanguage.split(',')) {
    const [, name = '', quality = '1'] =
      /^\s*([a-z]{1,8})(?:-[\w-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*$/i.exec(range) ?? [];
    const tag = LANGUAGE_TAGS.find((each) => each === name.toLowerCase());
    const weight = Number(quality);
    if (tag !== undefined && weight > (best?.weight ?? 0)) best = { tag, weight };
  }
  return best?.tag ?? 'en';
}
