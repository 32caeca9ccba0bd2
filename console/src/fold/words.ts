import { memberWords, placeWords, valueWords } from '../texts/generated/operations.ts';
import { type LanguageTag, useLanguage } from '../texts/languages.ts';
import type { Words } from './operation.ts';

const AT = { en: 0, de: 1 } as const satisfies Record<LanguageTag, number>;

/** `signal_streams` → `Signal streams`: what is called by its own name. */
const spoken = (name: string): string => {
  const words = name.replaceAll(/[_-]/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

const found = (words: Words, name: string, within: readonly string[]) =>
  within.map((each) => words[`${each}.${name}`]).find((entry) => entry !== undefined) ?? words[name];

type PlaceText = 'many' | 'one' | 'lead' | 'none' | 'why';
/** What a list is called, and what is said of it. */
export const placeText = (segment: string, text: PlaceText, language: LanguageTag): string =>
  placeWords[segment]?.[text]?.[AT[language]] ?? (text === 'many' || text === 'one' ? spoken(segment) : '');

/** Names of members, values and lists in the language of the reader. @param within what gives some of them another meaning */
export function useWords(...within: readonly string[]) {
  const language = useLanguage();
  const at = AT[language];
  return {
    member: (path: string): string => {
      const name = path.split('.').at(-1) ?? '';
      return (found(memberWords, path, within) ?? found(memberWords, name, within))?.[at] ?? spoken(name);
    },
    help: (name: string): string | undefined => found(memberWords, name, within)?.[at === 0 ? 2 : 3],
    value: (value: string): string => found(valueWords, value, within)?.[at] ?? value,
    place: (text: PlaceText): string => placeText(within[0] ?? '', text, language),
  };
}
