export const LANGUAGES = ['en', 'de'] as const;
export type LanguageTag = (typeof LANGUAGES)[number];

export type Texts = Readonly<Record<string, string>>;
/** The texts of one part in every language; a language that lacks one does not compile. */
export type InLanguages<T extends Texts> = { readonly en: T; readonly de: { readonly [K in keyof T]: string } };

/** Declares texts beside the page that shows them. */
export const inLanguages = <T extends Texts>(texts: InLanguages<T>): InLanguages<T> => texts;
