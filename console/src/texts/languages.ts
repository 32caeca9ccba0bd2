import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { visibleText } from '../data/visible-text.ts';
import { type InLanguages, inLanguages, LANGUAGES, type LanguageTag, type Texts } from './in-languages.ts';

export { inLanguages, LANGUAGES, type LanguageTag };

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

export const useTexts = <T extends Texts>(texts: InLanguages<T>): { readonly [K in keyof T]: string } =>
  texts[useLanguage()];

/**
 * Fills the places of a text: `fill('{count} sessions', { count: 3 })`. A name that a user chose cannot reorder the sentence
 * around it: what would do so is shown as an escape.
 */
export const fill = (text: string, places: Readonly<Record<string, string | number>>): string =>
  text.replaceAll(/\{(\w+)\}/g, (place, name: string) => visibleText(String(places[name] ?? place)));
