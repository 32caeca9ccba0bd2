import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Standing, sift, TOLERANCE } from './tolerance.ts';

const standings: Readonly<Record<string, Standing>> = { mine: 'allowed', theirs: 'forbidden' };
const of = (rule: keyof typeof TOLERANCE, ...names: readonly string[]) =>
  sift(TOLERANCE[rule], names, (name) => standings[name] ?? 'unknown');

describe('of the names in a request', () => {
  test('unknown ones are ignored and forbidden ones left out for a client that registered itself', () =>
    expect(of('scopes of an unvetted client', 'mine', 'theirs', 'groups', 'mine')).toEqual({
      kept: ['mine'],
      dropped: ['theirs', 'groups'],
      refused: [],
    }));

  test('forbidden ones are refused for a vetted client, and unknown ones ignored', () =>
    expect(of('scopes of a vetted client', 'mine', 'groups', 'theirs')).toEqual({
      kept: ['mine'],
      dropped: ['groups'],
      refused: ['theirs'],
    }));

  test('our own API refuses both', () =>
    expect(of('parameters and members of our own API', 'mine', 'groups', 'theirs')).toEqual({
      kept: ['mine'],
      dropped: [],
      refused: ['groups', 'theirs'],
    }));
});

test('docs/reference/specifications.md shows the table as it is', () => {
  const page = readFileSync(new URL('../../../docs/reference/specifications.md', import.meta.url), 'utf8');
  const rows = page
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim().replace(/^is /, '')))
    .filter(([, what = '']) => what in TOLERANCE)
    .map(([, what = '', unknown, forbidden]) => [what, { unknown, forbidden }]);
  expect(Object.fromEntries(rows)).toEqual(TOLERANCE);
});
