import { expect, test } from 'vitest';
import { emailShape } from '../contracts/sign-in-contract.ts';
import { isAddress, normaliseEmail } from './email.ts';

/** Under Unicode's rules for case or width, each becomes or looks like the ASCII address beside it. */
const LOOKALIKES = [
  ['mar\u212a@example.com', 'mark@example.com'], // KELVIN SIGN
  ['bob@\u212ark.example.com', 'bob@krk.example.com'],
  ['\u0130lker@example.com', 'ilker@example.com'], // capital I with a dot
  ['\u0131lker@example.com', 'ilker@example.com'], // dotless i
  ['\u017fam@example.com', 'sam@example.com'], // long s
  ['\uff4dark@example.com', 'mark@example.com'], // full width
  ['mark\uff20example.com', 'mark@example.com'],
  ['m\u0430rk@example.com', 'mark@example.com'], // Cyrillic
  ['mark@ex\u00adample.com', 'mark@example.com'], // soft hyphen
] as const;

test.each(LOOKALIKES)('rejects the address %j, and never normalises it to %s', (lookalike, address) => {
  expect(normaliseEmail(lookalike)).not.toBe(address);
  expect(isAddress(lookalike)).toBe(false);
  expect(emailShape.safeParse(lookalike).success).toBe(false);
  expect(isAddress(address)).toBe(true);
  expect(emailShape.safeParse(address).success).toBe(true);
});

test('normalises the case of an address', () => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  expect(normaliseEmail(`${letters}@People.Test`)).toBe('abcdefghijklmnopqrstuvwxyz@people.test');
});

test.each([
  '',
  'mark',
  '@example.com',
  'mark@',
  'mark@a@example.com',
  'mark @example.com',
  'mark@example.com\n',
  'mark\0@example.com',
  `${'m'.repeat(65)}@example.com`,
  `mark@${'e'.repeat(250)}`,
])('rejects %j as an address', (text) => {
  expect(isAddress(text)).toBe(false);
});

test('an internationalised domain is one address in both of its forms, wherever an address is read', () => {
  const ascii = 'ana@xn--mnchen-3ya.example';
  for (const given of ['ana@münchen.example', 'Ana@MÜNCHEN.Example', ascii]) {
    expect(normaliseEmail(given)).toBe(ascii);
    expect(emailShape.parse(given).toLowerCase()).toBe(ascii);
  }
  // A German sharp s is a letter of its own (IDNA 2008), and not the ss of another domain.
  expect(normaliseEmail('ana@straße.example')).toBe('ana@xn--strae-oqa.example');
});

test.each([
  'ana@ｍünchen.example', // full width
  'ana@mu\u0308nchen.example', // u and a combining diaeresis
  'ana@\u0130stanbul.example', // capital I with a dot
  'ana@m\u00fcnchen .example',
  'münchen',
])('a domain that its ASCII form does not give back is no address: %j', (given) => {
  expect(isAddress(normaliseEmail(given))).toBe(false);
  expect(emailShape.safeParse(given).success).toBe(false);
});
