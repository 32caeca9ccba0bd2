import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { allPasswords, TARGET } from '#tools/common-passwords.mjs';
import { createCommonPasswords, holdsLine } from './common-passwords.ts';

const common = createCommonPasswords();

describe('common passwords', () => {
  test('the shipped list equals the output of its script, sorted by bytes, at most 300 KB', () => {
    const packed = readFileSync(TARGET);
    expect(packed.length).toBeLessThan(300_000);
    const lines = brotliDecompressSync(packed).toString('utf8').trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(100_000);
    expect(lines.join('\n') === allPasswords().join('\n')).toBe(true);
    expect(
      lines.every(
        (line, index) => index === 0 || Buffer.compare(Buffer.from(lines[index - 1] ?? ''), Buffer.from(line)) < 0,
      ),
    ).toBe(true);
  });

  test.each([
    'password1234',
    'Password123!',
    'PASSWORDPASSWORD',
    'p@ssw0rd2024',
    'P4$$w0rd1234!!',
    '123456789012',
    'qwertyuiop123',
    '1qaz2wsx3edc',
    'aaaaaaaaaaaa',
    'abcabcabcabc',
    'iloveyou2025',
    'letmeinplease',
    'Welcome@2024',
    'correcthorsebatterystaple',
    'administrator',
    'unbelievable',
    'Philadelphia1!',
    'asdf1234asdf1234',
    'qwer1234qwer',
    // Full-width letters become ASCII letters under NFKC.
    'ｐassword1234',
  ])('knows %s', (password) => expect(common.has(password)).toBe(true));

  test.each([
    'correct horse battery staple',
    'my password1234',
    'password1234 of mine',
    'long enough a password',
    'Xk2vQ9pLm4Tz',
    '\u{20000}'.repeat(12),
    '',
    '\n',
    'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz_',
    '\u0001\u0002\u0003\u0004\u0005\u0006\u0007\u0008\u000e\u000f\u0010\u0011',
  ])('compares the whole password only: %j is not in it', (password) => expect(common.has(password)).toBe(false));

  test('finds every line of a list, also the first and the last, and no text between two lines', () => {
    const lines = ['a', 'ab', 'b', 'é', '語'];
    const sorted = Buffer.from(`${lines.join('\n')}\n`);
    for (const line of lines) expect(holdsLine(sorted, line)).toBe(true);
    for (const other of ['', 'aa', 'abc', 'c', 'z', '\n', 'a\nab', '語語'])
      expect(holdsLine(sorted, other)).toBe(false);
    expect(holdsLine(Buffer.alloc(0), 'a')).toBe(false);
  });
});
