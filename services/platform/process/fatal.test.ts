import { expect, test } from 'vitest';
import { ConfigError } from '../config/load.ts';
import { StartError } from '../local/errors.ts';
import { MarksUnreadableError } from '../marks/mark-texts.ts';
import { MarkStoreUnfitError } from '../marks/s3-cell.ts';
import { STORE_TLS_EXIT } from './exit-codes.ts';
import { exitCodeOf, fatalOf } from './fatal.ts';

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
