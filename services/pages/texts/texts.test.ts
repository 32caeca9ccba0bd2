import { expect, test } from 'vitest';
import * as accountPages from '#services/domain/oauth/account-pages-contract.ts';
import { ACCOUNT_SECTIONS } from '#services/domain/oauth/account-sections.ts';
import { sendLoginCodeEndpoint, sendLoginEndpoint, showLoginEndpoint } from '#services/domain/oauth/contract.ts';
import { showDeviceGrantEndpoint } from '#services/domain/oauth/devices/device-contract.ts';
import { exportAccountEndpoint, sendAccountEndpoint } from '#services/domain/oauth/own-account-page-contract.ts';
import { sendPasskeyEndpoint, sendProviderEndpoint } from '#services/domain/oauth/sign-in-pages-contract.ts';
import * as startPages from '#services/domain/operations/start-page-contract.ts';
import { rateLimited, requestInvalid, shuttingDown } from '#services/platform/errors.ts';
import { html } from '#services/platform/html/html.ts';
import { english, englishAdvice, englishProblems, type Texts } from './english.ts';
import { ENGLISH, fill, GERMAN, languageFor, say } from './texts.ts';

const placesIn = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!).sort();

test('every text has the same places in German as in English, and none is left untranslated', () => {
  for (const key of Object.keys(english) as (keyof Texts)[]) {
    expect([key, placesIn(GERMAN.texts[key])]).toEqual([key, placesIn(english[key])]);
    expect(GERMAN.texts[key].trim()).not.toBe('');
  }
  const same = (Object.keys(english) as (keyof Texts)[]).filter((key) => english[key] === GERMAN.texts[key]);
  expect(same).toEqual([]);
  expect(placesIn(GERMAN.advice.tryAgain)).toEqual(placesIn(englishAdvice.tryAgain));
});

test('every error that a page can show has a title in German, and advice where English has it', () => {
  const pages = [
    showLoginEndpoint,
    sendLoginEndpoint,
    sendLoginCodeEndpoint,
    sendPasskeyEndpoint,
    sendProviderEndpoint,
    showDeviceGrantEndpoint,
    ...Object.values(accountPages),
    ...Object.values(ACCOUNT_SECTIONS),
    sendAccountEndpoint,
    exportAccountEndpoint,
    ...Object.values(startPages),
  ];
  const errors = [...pages.flatMap((page) => page.errors), rateLimited, requestInvalid, shuttingDown];
  const codes = [...new Set(errors.map(({ definition }) => definition.code)), ...Object.keys(englishProblems)];
  expect(codes.filter((code) => GERMAN.problems[code]?.title === undefined)).toEqual([]);
  for (const [code, { advice }] of Object.entries(englishProblems))
    expect([code, GERMAN.problems[code]?.advice !== undefined]).toEqual([code, advice !== undefined]);
});

test('a browser gets the catalogue of the language that it prefers', () => {
  expect([languageFor('de-AT'), languageFor('fr')]).toEqual([GERMAN, ENGLISH]);
});

test('a value that contains a place is shown as it is, and markup in it as text', () => {
  expect(fill('{a} and {b}', { a: '{b}', b: 'x' })).toBe('{b} and x');
  expect(fill('{a}', {})).toBe('');
  expect(say('<{a}> {b}', { a: '{b}<i>', b: html`<b>x</b>` }).text).toBe('&lt;{b}&lt;i&gt;&gt; <b>x</b>');
  expect(ENGLISH.tag).toBe('en');
});
