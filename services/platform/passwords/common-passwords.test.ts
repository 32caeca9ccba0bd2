import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { allPasswords, TARGET } from '#tools/common-passwords.mjs';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { createBreachRanges } from './breach-ranges.ts';
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
    ...`password1234 Password123! PASSWORDPASSWORD p@ssw0rd2024 P4$$w0rd1234!! 123456789012 qwertyuiop123 1qaz2wsx3edc
    aaaaaaaaaaaa abcabcabcabc iloveyou2025 letmeinplease Welcome@2024 correcthorsebatterystaple administrator unbelievable
    Philadelphia1! asdf1234asdf1234 qwer1234qwer`.split(/\s+/),
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

let answer: (request: IncomingMessage, response: ServerResponse) => void;
const asked: { readonly path: string | undefined; readonly padding: unknown }[] = [];
const server = createServer((request, response) => {
  asked.push({ path: request.url, padding: request.headers['add-padding'] });
  answer(request, response);
});
const list = opened(() => listening(server));
const ranges = (timeoutMs?: number) => createBreachRanges(`${list.url}/range`, timeoutMs);

test('requests the padded range of a prefix from the configured address, and returns its lines', async () => {
  answer = (_request, response) => response.end('0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n');
  const text = await ranges().suffixesOf('21BD1');
  expect(text).toBe('0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n');
  expect(asked.at(-1)).toEqual({ path: '/range/21BD1', padding: 'true' });
});

test('SSRF: a redirect is a failure, and its target is never requested', async () => {
  answer = (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end();
  await expect(ranges().suffixesOf('21BD1')).rejects.toThrow();
  expect(asked.at(-1)?.path).toBe('/range/21BD1');
});

test.each([500, 404, 429])('an answer of %i is a failure', async (status) => {
  answer = (_request, response) => response.writeHead(status).end('no');
  await expect(ranges().suffixesOf('21BD1')).rejects.toThrow(String(status));
});

test('aborts an endless response, and times out on a silent server', async () => {
  answer = (_request, response) => {
    const more = (): void => {
      while (response.write('0'.repeat(65_536)));
      response.once('drain', more);
    };
    more();
  };
  await expect(ranges().suffixesOf('21BD1')).rejects.toThrow('too large');
  answer = () => {};
  await expect(ranges(50).suffixesOf('21BD1')).rejects.toMatchObject({ cause: { name: 'TimeoutError' } });
});

test('an unreachable server is a failure', () =>
  expect(createBreachRanges('http://127.0.0.1:1/range').suffixesOf('21BD1')).rejects.toThrow());

test('a compressed answer is a failure', async () => {
  answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'br' }).end('0018A45C4D1DEF8');
  await expect(ranges().suffixesOf('21BD1')).rejects.toThrow('compressed');
});
