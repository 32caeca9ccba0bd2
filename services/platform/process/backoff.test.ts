import { expect, test } from 'vitest';
import { backoffMs, ownBackoff } from './backoff.ts';

test('the delay doubles with each failure in a row and never passes the cap', () => {
  const delays = Array.from({ length: 8 }, (_, index) => backoffMs(ownBackoff, index + 1));
  expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  expect(backoffMs(ownBackoff, 10_000)).toBe(5_000);
});
