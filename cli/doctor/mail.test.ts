import { expect, test } from 'vitest';
import { mailResult } from './mail.ts';

const quiet = { waiting: 0, given_up: 0, oldest_seconds: 0 };
const server = { way: 'SMTP mail.example.com:465', isFolder: false, isDevelopment: false };

test('fails with the code and one fix if the SMTP server cannot be used', () =>
  expect(mailResult(quiet, { ...server, failure: 'EAUTH' })).toEqual({
    result: 'fail',
    evidence: 'SMTP mail.example.com:465, 0 waiting, 0 given up in a week; EAUTH',
    fix: 'check SMTP_URL: host, port, TLS, user and password',
  }));

test('warns about mails that have waited for minutes or were given up', () => {
  expect(mailResult({ ...quiet, waiting: 3, oldest_seconds: 301 }, server)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('the oldest for 5 min'),
  });
  expect(mailResult({ ...quiet, given_up: 1 }, server).result).toBe('warn');
  expect(mailResult({ ...quiet, waiting: 3, oldest_seconds: 20 }, server).result).toBe('pass');
});

test('warns about mail written to files outside development', () => {
  const files = { way: 'files in x', isFolder: true };
  expect(mailResult(quiet, { ...files, isDevelopment: true }).result).toBe('pass');
  expect(mailResult(quiet, { ...files, isDevelopment: false })).toMatchObject({ result: 'warn', fix: 'set SMTP_URL' });
});
