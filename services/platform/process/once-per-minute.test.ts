import { afterEach, expect, test, vi } from 'vitest';
import { oncePerMinute } from './once-per-minute.ts';

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
