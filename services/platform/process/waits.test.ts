import { afterEach, expect, test, vi } from 'vitest';
import { backoffMs, ownBackoff } from './backoff.ts';
import { oncePerMinute } from './once-per-minute.ts';
import { patient, TEST_FOLDER, TEST_PATIENCE } from './patience.ts';

test('the delay doubles with each failure in a row and never passes the cap', () => {
  const delays = Array.from({ length: 8 }, (_, index) => backoffMs(ownBackoff, index + 1));
  expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  expect(backoffMs(ownBackoff, 10_000)).toBe(5_000);
});

afterEach(() => vi.useRealTimers());

test('an error is told at once, and those of the minute after it are not', () => {
  vi.useFakeTimers();
  const told: string[] = [];
  const onError = oncePerMinute(({ message }) => void told.push(message));
  for (const [message, passedMs] of [
    ['first', 0],
    ['second', 59_999],
    ['third', 1],
  ] as const) {
    vi.advanceTimersByTime(passedMs);
    onError(new Error(message));
  }
  expect(told).toEqual(['first', 'third']);
});

afterEach(() => void vi.unstubAllEnvs());

test('a deadline is longer in a run of tests, by its factor', () => {
  vi.stubEnv(TEST_FOLDER, '/tmp/run');
  vi.stubEnv(TEST_PATIENCE, '8');
  expect(patient(900)).toBe(7_200);
  vi.stubEnv(TEST_PATIENCE, undefined);
  expect(patient(900)).toBe(900);
});

test('outside of a run of tests a deadline is what is shipped, whatever the factor says', () => {
  vi.stubEnv(TEST_FOLDER, undefined);
  vi.stubEnv(TEST_PATIENCE, '8');
  expect(patient(900)).toBe(900);
});
