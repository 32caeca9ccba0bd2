import { expect, test } from 'vitest';
import {
  challengeOver,
  passkeyRefused,
  secondFactorLocked,
  secondFactorRefused,
} from '#services/domain/identity/contracts/factors-errors.ts';
import { loginLocked, loginRefused } from '#services/domain/identity/contracts/sign-in-errors.ts';
import {
  socialAccountTaken,
  socialEmailUnproven,
  socialProviderUnavailable,
  socialSignInRefused,
} from '#services/domain/identity/contracts/social-errors.ts';
import { internalError, rateLimited, requestInvalid, storeUnavailable } from '#services/platform/errors.ts';
import { problemAdvice, problemText, problemTitle, waitText } from './problems.ts';
import { GERMAN } from './texts/texts.ts';

const ALL = [
  loginRefused,
  loginLocked,
  secondFactorRefused,
  secondFactorLocked,
  challengeOver,
  passkeyRefused,
  socialSignInRefused,
  socialEmailUnproven,
  socialAccountTaken,
  socialProviderUnavailable,
];

test('each problem on a page says what happened and what to do next, in whole sentences without internal terms', () => {
  for (const make of [...ALL, rateLimited, storeUnavailable, requestInvalid, internalError]) {
    const text = problemText(make());
    expect(text, make.definition.code).toMatch(/^[A-Z][^.]+\. ([A-Z][^.]+\.)( [A-Z][^.]+\.)?$/);
    expect(text).not.toMatch(/Retry-After|POST |GET |\bAPI\b|`|operators/);
  }
  expect(problemText(loginRefused())).toBe(
    'E-mail or password is wrong. Check the e-mail address and the password, and try again.',
  );
  expect(problemTitle(storeUnavailable())).toBe(storeUnavailable.definition.title);
});

test('a user who must wait is told how long', () => {
  expect(problemAdvice(loginLocked({ retryAfterSeconds: 900 }))).toMatch(/^Try again in 15 minutes\. You can use /);
  // If waiting does not help, no time is shown.
  expect(problemAdvice(loginLocked({ retryAfterSeconds: 86_400 }))).toMatch(/^You can use a passkey, /);
  expect(problemAdvice(loginLocked({ retryAfterSeconds: 86_399 }))).toMatch(/^Try again in 24 hours\. You can use /);
  expect(problemAdvice(loginLocked())).toContain('ask for an unlock mail');
  expect(problemAdvice(storeUnavailable())).toBe('Try again in 1 second.');
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
