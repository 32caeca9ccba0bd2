import { afterEach, expect, test, vi } from 'vitest';
import { ConfigError } from '../config/load.ts';
import { StartError } from '../local/errors.ts';
import { MarksUnreadableError } from '../marks/mark-texts.ts';
import { MarkStoreUnfitError } from '../marks/s3-cell.ts';
import { backoffMs, ownBackoff } from './backoff.ts';
import { STORE_TLS_EXIT } from './exit-codes.ts';
import { exitCodeOf, fatalOf } from './fatal.ts';
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

test('a start failure that a retry cannot fix has its cause and fix', () => {
  const config = new ConfigError([
    { env: 'PORT', problem: 'must be a number', fix: 'set one' },
    { env: 'HOST', problem: 'is empty', fix: 'unset it' },
  ]);
  expect(fatalOf(config)).toEqual({
    type: 'fatal',
    code: 'configuration',
    message: 'PORT must be a number; HOST is empty',
    fix: 'PORT: set one; HOST: unset it',
  });
  expect(fatalOf(new MarksUnreadableError('/x/marks.json', null))).toMatchObject({ code: 'marks_unreadable' });
  expect(fatalOf(new MarkStoreUnfitError('https://bucket.example'))).toMatchObject({ code: 'mark_store_unfit' });
  expect(fatalOf(Object.assign(new Error('taken'), { code: 'EADDRINUSE' }))).toMatchObject({ code: 'port_taken' });
});

test('only TLS that fails has an exit code of its own', () => {
  expect(exitCodeOf(fatalOf(new StartError('store_tls', 'expired', 'renew it')))).toBe(STORE_TLS_EXIT);
  expect(exitCodeOf(fatalOf(new StartError('store_refused', 'wrong password', 'correct it')))).toBe(1);
  expect(exitCodeOf(fatalOf(new Error('no answer')))).toBe(1);
});

test('every other start failure is retried', () => {
  expect(fatalOf(new Error('no answer'))).toMatchObject({ code: 'start_failed', message: 'no answer' });
  expect(fatalOf('text')).toMatchObject({ code: 'start_failed', message: 'text' });
});
