import { expect, test } from 'vitest';
import { isQuiet, isTimeZone } from './quiet-hours.ts';

const at = (quietFrom: string | null, quietUntil: string | null, timeZone: string, now: string): boolean =>
  isQuiet({ quietFrom, quietUntil, timeZone }, Date.parse(now));

test('quiet hours are those of the time zone, also in summer, and may pass midnight', () => {
  const berlin = (now: string) => at('22:00', '07:00', 'Europe/Berlin', now);
  expect(berlin('2026-01-15T20:59:00Z')).toBe(false);
  expect(berlin('2026-01-15T21:00:00Z')).toBe(true);
  expect(berlin('2026-01-15T23:30:00Z')).toBe(true);
  expect(berlin('2026-01-16T05:59:00Z')).toBe(true);
  expect(berlin('2026-01-16T06:00:00Z')).toBe(false);
  // UTC+2: the same local hours are an hour earlier.
  expect([berlin('2026-07-15T20:00:00Z'), berlin('2026-07-16T05:00:00Z')]).toEqual([true, false]);
});

test('hours within a day end on it; the same time twice is the whole day; none is never quiet', () => {
  const day = (now: string) => at('12:00', '13:00', 'UTC', now);
  expect(['11:59', '12:00', '12:59', '13:00'].map((time) => day(`2026-01-15T${time}:00Z`))).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect(at('08:00', '08:00', 'UTC', '2026-01-15T07:59:00Z')).toBe(true);
  expect(at(null, null, 'UTC', '2026-01-15T00:00:00Z')).toBe(false);
  expect([isTimeZone('Europe/Berlin'), isTimeZone('Mars/Olympus')]).toEqual([true, false]);
});
