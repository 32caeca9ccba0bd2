import { expect, test } from 'vitest';
import { storeUnavailable } from '#services/platform/errors.ts';
import { failureOf } from './statement-failure.ts';

const coded = (code: string): Error => Object.assign(new Error('x'), { code });

test.each([
  ['a number out of range', coded('22003'), 'member'],
  ['NUL in text', coded('22021'), 'member'],
  ['a value that fits no statement', new RangeError('x'), 'member'],
  ['lock timeout', coded('55P03'), 'blocked'],
  ['statement timeout', coded('57014'), 'blocked'],
  ['deadlock', coded('40P01'), 'blocked'],
  ['serialisation failure', coded('40001'), 'blocked'],
  ['administrator’s shutdown', coded('57P01'), 'unknown'],
  ['connection failure', coded('08006'), 'unknown'],
  ['connection reset', coded('ECONNRESET'), 'unknown'],
  ['connection lost', new Error('Connection terminated unexpectedly'), 'unknown'],
  ['a value that is not an error', 'x', 'unknown'],
  ['the server does not listen', coded('ECONNREFUSED'), 'refused'],
  ['out of memory', coded('53200'), 'refused'],
  ['a constraint', coded('23505'), 'refused'],
])('%s', (_what, err, failure) => expect(failureOf(err)).toBe(failure));

test('reads the cause behind a store’s error', () => {
  expect(failureOf(storeUnavailable({ cause: coded('55P03') }))).toBe('blocked');
  expect(failureOf(storeUnavailable({ cause: new Error('Query read timeout') }))).toBe('unknown');
  expect(failureOf(storeUnavailable({ cause: coded('ECONNREFUSED') }))).toBe('refused');
});
