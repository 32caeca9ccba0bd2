import { type Html, html } from '#services/platform/html/html.ts';
import { type Advice, english, englishAdvice, englishProblems, type ProblemTexts, type Texts } from './english.ts';
import { german, germanAdvice, germanProblems } from './german.ts';

/** The catalogue of one language. */
export type Language = {
  /** BCP 47. */
  readonly tag: string;
  readonly texts: Texts;
  readonly problems: ProblemTexts;
  readonly advice: Advice;
};

export const ENGLISH: Language = { tag: 'en', texts: english, problems: englishProblems, advice: englishAdvice };
export const GERMAN: Language = { tag: 'de', texts: german, problems: germanProblems, advice: germanAdvice };

/** To add a language, write its catalogue and list it here. */
const LANGUAGES: readonly Language[] = [ENGLISH, GERMAN];

/** Longest `Accept-Language` header that is read. */
const LONGEST = 512;

/** Returns the language that a browser prefers among those that exist (RFC 9110 §12.5.4), English if it names none. */
export function languageFor(acceptLanguage: string | undefined): Language {
  if (acceptLanguage === undefined || acceptLanguage.length > LONGEST) return ENGLISH;
  let best: { readonly language: Language; readonly weight: number } | undefined;
  for (const range of acceptLanguage.split(',')) {
    const [, tag = '', quality = '1'] =
      /^\s*([a-z]{1,8})(?:-[\w-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*$/i.exec(range) ?? [];
    const language = LANGUAGES.find((each) => each.tag === tag.toLowerCase());
    const weight = Number(quality);
    if (language !== undefined && weight > (best?.weight ?? 0)) best = { language, weight };
  }
  return best?.language ?? ENGLISH;
}

/** Every second piece is the name of a place. */
const piecesOf = (text: string): string[] => text.split(/\{(\w+)\}/);

/** Fills the places of a text: `say(texts.signedInAs, { email: html`<strong>${email}</strong>` })`. */
export const say = (text: string, places: Readonly<Record<string, string | Html>>): Html =>
  html`${piecesOf(text).map((piece, at) => html`${at % 2 === 0 ? piece : places[piece]}`)}`;

/** The same as plain text, such as a title. */
export const fill = (text: string, places: Readonly<Record<string, string>>): string =>
  piecesOf(text)
    .map((piece, at) => (at % 2 === 0 ? piece : (places[piece] ?? '')))
    .join('');
