import { expect, test } from 'vitest';
import { ageWords, claimsIn, commitsSince, keptAges, newAges } from './figure-age.ts';

test('an age is said in words that stay true while commits are added', () =>
  expect([undefined, 0, 99, 100, 598].map(ageWords)).toEqual([
    'age unknown',
    'fewer than 100 commits of `services/` before this page was written',
    'fewer than 100 commits of `services/` before this page was written',
    'at least 100 commits of `services/` ago',
    'at least 500 commits of `services/` ago',
  ]));

const page = `commit \`aaaaaaa\`, at least 300 commits of \`services/\` ago; commit \`bbbbbbb\`, ${ageWords(1)}; commit \`ccccccc\`, age unknown`;

test('a check keeps what a page says of an age while that is true, also where git does not know', () => {
  expect(claimsIn(page).map(({ commit, atLeast }) => [commit, atLeast])).toEqual([
    ['aaaaaaa', 300],
    ['bbbbbbb', 0],
    ['ccccccc', 0],
  ]);
  const words = (commit: string, age: number | undefined): string => keptAges(page, () => age)(commit);
  expect(words('aaaaaaa', 598)).toBe(ageWords(300));
  expect(words('aaaaaaa', undefined)).toBe(ageWords(300));
  expect(words('aaaaaaa', 250)).toBe(ageWords(200));
  expect(words('bbbbbbb', 150)).toBe(ageWords(1));
  expect(words('ccccccc', 150)).toBe(ageWords(100));
  expect(words('ddddddd', 150)).toBe(ageWords(100));
  expect(words('ddddddd', undefined)).toBe('age unknown');
});

test('writing a page says ages anew, and keeps them where git does not know', () => {
  const words = (commit: string, age: number | undefined): string => newAges(page, () => age)(commit);
  expect(words('aaaaaaa', 598)).toBe(ageWords(500));
  expect(words('bbbbbbb', 150)).toBe(ageWords(100));
  expect(words('aaaaaaa', undefined)).toBe(ageWords(300));
  expect(words('ddddddd', undefined)).toBe('age unknown');
});

test('without git, its history or a commit the age is unknown, and nothing fails', () => {
  expect(commitsSince('0000000000')).toBeUndefined();
  expect(commitsSince('a70c0b9b93', '/')).toBeUndefined();
  expect(commitsSince('a70c0b9b93-dirty')).toBeUndefined();
  expect(commitsSince('--output=x')).toBeUndefined();
});
