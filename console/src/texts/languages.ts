import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

export const LANGUAGES = ['en', 'de'] as const;
export type LanguageTag = (typeof LANGUAGES)[number];

type Texts = Readonly<Record<string, string>>;
/** The texts of one part in every language; a language that lacks one does not compile. */
export type InLanguages<T extends Texts> = { readonly en: T; readonly de: { readonly [K in keyof T]: string } };

/** Declares texts beside the page that shows them. */
export const inLanguages = <T extends Texts>(texts: InLanguages<T>): InLanguages<T> => texts;

const KEY = 'console.language';

/** As chosen before, else as the browser asks. */
export function firstLanguage(): LanguageTag {
  const chosen = localStorage.getItem(KEY);
  const asked = chosen === null ? navigator.language.slice(0, 2) : chosen;
  return LANGUAGES.find((tag) => tag === asked) ?? 'en';
}
export const keepLanguage = (tag: LanguageTag): void => localStorage.setItem(KEY, tag);

export const LanguageContext = createContext<LanguageTag>('en');
export const useLanguage = (): LanguageTag => useContext(LanguageContext);

export function useTexts<T extends Texts>(texts: InLanguages<T>): { readonly [K in keyof T]: string } {
  return texts[useLanguage()];
}

/** Fills the places of a text: `fill('{count} sessions', { count: 3 })`. */
export const fill = (text: string, places: Readonly<Record<string, string | number>>): string =>
  text.replaceAll(/\{(\w+)\}/g, (place, name: string) => String(places[name] ?? place));
