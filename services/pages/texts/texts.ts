import { type LanguageTag, preferredLanguage } from '#services/platform/define/languages.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { type Advice, english, englishAdvice, type Texts } from './english.ts';
import { german, germanAdvice } from './german.ts';

export type Language = { readonly tag: LanguageTag; readonly texts: Texts; readonly advice: Advice };

export const ENGLISH: Language = { tag: 'en', texts: english, advice: englishAdvice };
export const GERMAN: Language = { tag: 'de', texts: german, advice: germanAdvice };

const LANGUAGES: Readonly<Record<LanguageTag, Language>> = { en: ENGLISH, de: GERMAN };

/** The catalogue for a browser with this `Accept-Language`. */
export const languageFor = (acceptLanguage: string | undefined): Language =>
  LANGUAGES[preferredLanguage(acceptLanguage)];

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
