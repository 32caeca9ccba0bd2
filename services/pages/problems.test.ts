import { expect, test } from 'vitest';
import { loginLocked, loginRefused } from '#services/core/identity/contracts/sign-in-errors.ts';
import { defineError } from '#services/platform/define/error.ts';
import { internalError, rateLimited, storeUnavailable } from '#services/platform/errors.ts';
import { problemAdvice, problemText, problemTitle, waitText } from './problems.ts';
import { problemWords } from './texts/problem-words.ts';
import { ENGLISH, GERMAN } from './texts/texts.ts';

test('each problem on a page says what happened and what to do next, in whole sentences without internal terms', () => {
  for (const code of Object.keys(problemWords))
    for (const language of [ENGLISH, GERMAN])
      for (const status of [400, 503]) {
        const text = problemText(defineError({ ...internalError.definition, code, status })(), language);
        expect(text, code).toMatch(/^[A-ZÄÖÜ][^.]+\. ([A-ZÄÖÜ][^.]+\.)( [A-ZÄÖÜ][^.]+\.)?$/);
        expect(text).not.toMatch(/Retry-After|POST |GET |`|operators/);
      }
  expect(problemText(loginRefused())).toBe(
    'E-mail or password is wrong. Check the e-mail address and the password, and try again.',
  );
  // An error that no page should show has words too, and not those of its definition.
  const unheard = defineError({ ...internalError.definition, code: 'unheard_of' });
  expect(problemText(unheard())).toBe('This did not work. Go back and try again.');
  expect(problemTitle(unheard(), GERMAN)).toBe('Das hat nicht geklappt');
});

test('a user who must wait is told how long', () => {
  expect(problemAdvice(loginLocked({ retryAfterSeconds: 900 }))).toMatch(/^Try again in 15 minutes\. You can use /);
  // If waiting does not help, no time is shown.
  expect(problemAdvice(loginLocked({ retryAfterSeconds: 86_400 }))).toMatch(/^You can use a passkey, /);
  expect(problemAdvice(loginLocked({ retryAfterSeconds: 86_399 }))).toMatch(/^Try again in 24 hours\. You can use /);
  expect(problemAdvice(loginLocked())).toContain('ask for an unlock mail');
  expect(problemAdvice(storeUnavailable())).toBe('Try again in 1 second.');
  // The page says itself that it tries again.
  expect(problemAdvice(storeUnavailable(), ENGLISH, true)).toBe('');
  expect([0, 0.2, 1, 89, 90, 121, 7_199, 7_200, 86_400].map((seconds) => waitText(seconds))).toEqual([
    'in 1 second',
    'in 1 second',
    'in 1 second',
    'in 89 seconds',
    'in 2 minutes',
    'in 3 minutes',
    'in 120 minutes',
    'in 2 hours',
    'in 24 hours',
  ]);
});

test('a German browser reads the problem and the time to wait in German', () => {
  expect(problemText(loginRefused(), GERMAN)).toBe(
    'E-Mail oder Passwort ist falsch. Prüfen Sie E-Mail-Adresse und Passwort und versuchen Sie es noch einmal.',
  );
  expect(problemText(rateLimited({ retryAfterSeconds: 600 }), GERMAN)).toBe(
    'Zu viele Anfragen. Versuchen Sie es in 10 Minuten noch einmal.',
  );
});
