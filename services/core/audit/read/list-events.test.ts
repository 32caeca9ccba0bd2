import { expect, test } from 'vitest';
import { storedInstant } from './list-events.ts';

test('converts times that Postgres rejects to the same instant, or to the nearest one that it accepts', () => {
  expect(storedInstant('0044-05-09T09:52:38.1-22:40')).toBe('0044-05-10T08:32:38.100Z');
  expect(storedInstant('2026-01-01T00:00:00+16:00')).toBe('2025-12-31T08:00:00.000Z');
  expect(storedInstant('0000-05-09T09:52:38Z')).toBe('0001-01-01T00:00:00.000Z');
  expect(storedInstant('9999-12-31T23:59:59-23:59')).toBe('9999-12-31T23:59:59.999Z');
  // Other times stay unchanged, with their microseconds.
  for (const text of ['2026-01-01T00:00:00.123456Z', '2026-01-01T00:00:00.123456+15:59', undefined])
    expect(storedInstant(text)).toBe(text);
});
