import { expect, test } from 'vitest';
import { judgeMail } from './mail.ts';

const quiet = { waiting: 0, givenUp: 0, oldestSeconds: 0 };
const server = { way: 'SMTP mail.example.com:465', isFolder: false, isDevelopment: false };

test('a server that cannot be used fails, with its code and one fix', () => {
  expect(judgeMail(quiet, { ...server, failure: 'EAUTH' })).toEqual({
    result: 'fail',
    evidence: 'SMTP mail.example.com:465, 0 waiting, 0 given up in a week; EAUTH',
    fix: 'check SMTP_URL: host, port, TLS, user and password',
  });
});

test('mails that wait for minutes, or were given up, are a warning', () => {
  expect(judgeMail({ ...quiet, waiting: 3, oldestSeconds: 301 }, server)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('the oldest since 5 min'),
  });
  expect(judgeMail({ ...quiet, givenUp: 1 }, server).result).toBe('warn');
  expect(judgeMail({ ...quiet, waiting: 3, oldestSeconds: 20 }, server).result).toBe('pass');
});

test('mail written to files fails the check outside development', () => {
  const files = { way: 'files in x', isFolder: true };
  expect(judgeMail(quiet, { ...files, isDevelopment: true }).result).toBe('pass');
  expect(judgeMail(quiet, { ...files, isDevelopment: false })).toMatchObject({ result: 'warn', fix: 'set SMTP_URL' });
});
