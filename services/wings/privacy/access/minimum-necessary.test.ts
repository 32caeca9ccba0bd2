import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyMinimumNecessary, mergeFields, permitsField } from './minimum-necessary.ts';

const RECORD = {
  name: 'Ada',
  address: { city: 'London', street: 'x' },
  visits: [{ at: 1, cost: 2 }, { at: 3 }],
  a: null,
};

describe('the permitted part of a value', () => {
  test.each([
    [['*'], RECORD],
    [['name'], { name: 'Ada' }],
    [['address'], { address: RECORD.address }],
    [['address.city', 'a'], { address: { city: 'London' }, a: null }],
    [['visits.at'], { visits: [{ at: 1 }, { at: 3 }] }],
    [['visits.cost'], { visits: [{ cost: 2 }, {}] }],
    [['name.first', 'gone', 'visits.at.day'], { visits: [{}, {}] }],
  ])('%j', (fields, expected) => expect(applyMinimumNecessary(RECORD, fields)).toEqual(expected));

  test('of a value without members is nothing, unless everything is permitted', () => {
    for (const value of ['text', 7, true, null]) {
      expect(applyMinimumNecessary(value, ['name'])).toBeNull();
      expect(applyMinimumNecessary(value, ['*'])).toBe(value);
    }
    expect(applyMinimumNecessary(['text', { name: 'x', b: 1 }], ['name'])).toEqual([{ name: 'x' }]);
  });

  test('never has a member that is not named, whatever the value', () =>
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const kept = JSON.stringify(applyMinimumNecessary({ open: value, closed: 'canary' }, ['open', '__proto__.x']));
        return !kept.includes('canary') && kept === JSON.stringify({ open: value });
      }),
    ));
});

test('policies add up, a path permits what is below it, and no policy is not an empty one', () => {
  expect(mergeFields([])).toBeNull();
  expect([mergeFields([['b'], ['a', 'b']]), mergeFields([['a'], ['*']])]).toEqual([['a', 'b'], ['*']]);
  expect([permitsField(['a.b'], 'a.b.c'), permitsField(['a.b'], 'a.bc')]).toEqual([true, false]);
  expect([permitsField(['a.b'], 'a'), permitsField(['*'], 'a')]).toEqual([false, true]);
});
