import { expect, test } from 'vitest';
import { transactionSettings } from './transaction-settings.ts';

const row = (startedAt: string, isStandby = false): object => ({
  started_at: startedAt,
  is_standby: isStandby,
  taken: 'sallyport_api',
  login: 'us',
});

test('a pooler that leads to another server than before is noticed with the first transaction there, once', () => {
  let moves = 0;
  const { check } = transactionSettings({ lock_timeout: 1 }, undefined, () => {
    moves += 1;
  });
  check(row('100.5'));
  check(row('100.5'));
  expect(() => check(row('200.5'))).toThrow('the pooler leads to another server than before');
  check(row('200.5'));
  expect(moves).toBe(1);
});

test('a standby is refused, and is no server that was seen', () => {
  const { check } = transactionSettings({}, 'sallyport_api', undefined);
  expect(() => check(row('1', true))).toThrow('the server is a standby');
  check(row('2'));
  expect(() => check(row('3'))).toThrow('another server');
});

test('every setting ends with the transaction', () => {
  const { text } = transactionSettings({ lock_timeout: 1, statement_timeout: 2 }, 'sallyport_api', undefined);
  expect(text.match(/set_config\([^)]*\)/g)).toEqual([
    `set_config('lock_timeout', '1', true)`,
    `set_config('statement_timeout', '2', true)`,
    `set_config('role', rolname, true)`,
  ]);
});
