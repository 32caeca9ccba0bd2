import { expect, test } from 'vitest';
import { type ListAnswer, violationOfLost } from './gates-replica.ts';

const list: ListAnswer = { copy: 'A', status: 200, asOfMs: null, hasUser: true };

test('lists of the primary violate nothing', () => {
  expect(violationOfLost([list, { ...list, copy: 'B' }])).toBeUndefined();
});

test.each<readonly [string, Partial<ListAnswer>]>([
  ['an error', { status: 500 }],
  ['an answer that says to be of the lost replica', { asOfMs: 99_900 }],
  ['an answer without what was acknowledged', { hasUser: false }],
])('finds %s', (_what, changes) => {
  expect(violationOfLost([list, { ...list, ...changes }])).toMatch(/^a list of A was not of the primary/);
});

test('no list shows nothing', () => {
  expect(violationOfLost([])).toMatch(/^no list was asked for/);
});
