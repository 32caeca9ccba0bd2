import { expect, test } from 'vitest';
import { assertPasswordAllowed, isHashable } from './password-policy.ts';

test.each([
  ['x'.repeat(11), 'password_too_short'],
  ['', 'password_too_short'],
  // Twelve code units, but six characters.
  ['𝒜'.repeat(6), 'password_too_short'],
  // The hashed form is shorter than what was typed.
  ['e\u0301'.repeat(11), 'password_too_short'],
  ['x'.repeat(257), 'password_too_long'],
  // NFKC makes eighteen characters of each.
  ['\ufdfa'.repeat(15), 'password_too_long'],
  ['valid length \udc00', 'password_ill_formed'],
])('a new password %j is refused: %s', (password, code) => {
  expect(() => assertPasswordAllowed(password)).toThrow(code);
});

test('twelve to 256 characters of any kind pass, spaces and four-byte ones included', () => {
  for (const password of ['x'.repeat(12), 'x'.repeat(256), '\u{20000}'.repeat(256), ' '.repeat(12), 'ǻǻǻǻǻǻǻǻǻǻǻǻ'])
    expect(() => assertPasswordAllowed(password)).not.toThrow();
});

test('what cannot be hashed is known before it is', () => {
  expect(isHashable('short')).toBe(true);
  for (const password of ['', 'x'.repeat(1_025), '\ud800']) expect(isHashable(password)).toBe(false);
});
