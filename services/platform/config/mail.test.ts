import { expect, test } from 'vitest';
import { isVerificationRequired } from './identity.ts';
import { loadConfig } from './load.ts';
import { isLocalSmtp, mailProblems } from './mail.ts';

const problemsOf = (smtpUrl: string | undefined, from = 'Sallyport <no-reply@example.com>') =>
  mailProblems({ smtpUrl, from }).map(({ env }) => env);

test.each(['smtp://localhost:2525', 'smtps://user:pass%40word@mail.example.com:465', undefined])('%s starts', (url) => {
  expect(problemsOf(url)).toEqual([]);
});

test.each(['mail.example.com', 'http://mail.example.com', 'smtp://', 'smtp://mail.example.com?ignoreTLS=true'])(
  'SMTP_URL %s is refused: it names no server, or would switch encryption off',
  (url) => expect(problemsOf(url)).toEqual(['SMTP_URL']),
);

test.each(['', 'unknown', 'a@b\r\nBcc: c@d', 'A <a@b> <c@d>', 'a@b, c@d'])(
  'MAIL_FROM %j is refused: it is not a sender',
  (from) => expect(problemsOf(undefined, from)).toEqual(['MAIL_FROM']),
);

test.each(['no-reply@example.com', 'Sallyport Accounts <no-reply@example.com>'])('MAIL_FROM %s is accepted', (from) => {
  expect(problemsOf(undefined, from)).toEqual([]);
});

test('mail may be sent without encryption only to a server on this machine', () => {
  expect(isLocalSmtp('smtp://127.0.0.1:25')).toBe(true);
  expect(isLocalSmtp('smtp://[::1]:25')).toBe(true);
  expect(isLocalSmtp('smtp://localhost')).toBe(true);
  expect(isLocalSmtp('smtp://localhost.example.com')).toBe(false);
});

test('addresses must be verified under production, and elsewhere if the setting requires it', () => {
  const of = (profile: string, requireEmailVerification?: boolean) =>
    isVerificationRequired({ server: { profile }, identity: { requireEmailVerification } });
  expect([of('production'), of('staging'), of('development')]).toEqual([true, false, false]);
  expect([of('production', false), of('development', true)]).toEqual([false, true]);
  expect(loadConfig({ REQUIRE_EMAIL_VERIFICATION: 'yes' }).identity.requireEmailVerification).toBe(true);
  expect(() => loadConfig({ REQUIRE_EMAIL_VERIFICATION: 'maybe' })).toThrow('must be true or false');
});
