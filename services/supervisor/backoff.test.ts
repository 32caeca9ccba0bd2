import { expect, test } from 'vitest';
import { backoffMs } from '../platform/process/backoff.ts';
import { defaultBackoff, failuresAfterCrash } from './backoff.ts';

test('the delay doubles with each failure in a row and never passes the cap', () => {
  const delays = Array.from({ length: 9 }, (_, index) => backoffMs(defaultBackoff, index + 1));
  expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
  expect(backoffMs(defaultBackoff, 10_000)).toBe(10_000);
});

test('a child that was healthy long enough gets the first delay again; one that flaps does not', () => {
  expect(failuresAfterCrash(defaultBackoff, 7, 30_000)).toBe(1);
  expect(failuresAfterCrash(defaultBackoff, 7, 29_999)).toBe(8);
  expect(failuresAfterCrash(defaultBackoff, 0, 0)).toBe(1);
});
