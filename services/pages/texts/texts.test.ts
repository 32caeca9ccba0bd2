import { expect, test } from 'vitest';
import { isPage } from '#services/platform/define/endpoint.ts';
import { html } from '#services/platform/html/html.ts';
import { collectEndpoints } from '#tools/catalog/collect.ts';
import { consoleOperations, shownCodes } from '#tools/catalog/problem-texts.ts';
import { english, englishAdvice, type Texts } from './english.ts';
import { otherProblem, problemWords, wordsOf } from './problem-words.ts';
import { ENGLISH, fill, GERMAN, languageFor, say } from './texts.ts';

const placesIn = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!).sort();

test('every text has the same places in German as in English, and none is left untranslated', () => {
  for (const key of Object.keys(english) as (keyof Texts)[]) {
    expect([key, placesIn(GERMAN.texts[key])]).toEqual([key, placesIn(english[key])]);
    expect(GERMAN.texts[key].trim()).not.toBe('');
  }
  const same = (Object.keys(english) as (keyof Texts)[]).filter((key) => english[key] === GERMAN.texts[key]);
  expect([same, placesIn(GERMAN.advice.tryAgain)]).toEqual([[], placesIn(englishAdvice.tryAgain)]);
});

test('every error that a page or the console can show has words for people in each language, and no other has', async () => {
  const endpoints = await collectEndpoints();
  expect([endpoints.filter(isPage).length > 40, consoleOperations(endpoints).length > 60]).toEqual([true, true]);
  expect(Object.keys(problemWords).sort()).toEqual([...shownCodes(endpoints)].sort());
});

test('what is said of an error has the same places and advice in each language, and other words in each', () => {
  for (const [code, { en, de }] of Object.entries(problemWords)) {
    const [own, other] = [en, de].map((said) => said.map((text = '') => placesIn(text)));
    expect([code, de.length, other]).toEqual([code, en.length, own]);
    expect([code, de[0] === en[0]]).toEqual([code, false]);
  }
  expect(wordsOf('a_code_of_no_page', 'de')).toEqual(otherProblem.de);
});

test('a browser gets the catalogue of the language that it prefers', () =>
  expect([languageFor('de-AT'), languageFor('fr')]).toEqual([GERMAN, ENGLISH]));

test('a value that contains a place is shown as it is, and markup in it as text', () => {
  expect([fill('{a} and {b}', { a: '{b}', b: 'x' }), fill('{a}', {})]).toEqual(['{b} and x', '']);
  expect(say('<{a}> {b}', { a: '{b}<i>', b: html`<b>x</b>` }).text).toBe('&lt;{b}&lt;i&gt;&gt; <b>x</b>');
  expect(ENGLISH.tag).toBe('en');
});
