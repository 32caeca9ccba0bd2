import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Random } from '../ports.ts';
import { newApiKeySecret, parseApiKey } from './api-key-format.ts';

const id = '0192f0c1-2b3c-7d4e-8f50-61728394a5b6';
const random = (bytes: () => Buffer): Random => ({ bytes, uuid: () => id });
const made = newApiKeySecret(
  random(() => randomBytes(32)),
  id,
);

test('parsing a key gives its id and the hash that is stored', () => {
  expect(made.text).toMatch(/^sp_ak_[0-9a-f]{32}_[0-9A-Za-z]{49}$/);
  expect(parseApiKey(made.text)).toEqual({ id, hash: made.hash });
});

test('the smallest and the largest secret give keys of the same length', () => {
  const texts = [Buffer.alloc(32), Buffer.alloc(32, 255)].map(
    (bytes) =>
      newApiKeySecret(
        random(() => bytes),
        id,
      ).text,
  );
  expect(new Set(texts.map((text) => text.length)).size).toBe(1);
  expect(new Set(texts).size).toBe(2);
  for (const text of texts) expect(parseApiKey(text)).not.toBeNull();
});

test('the same secret under another id has another hash', () => {
  const bytes = Buffer.alloc(32, 7);
  const other = id.replace('0192', '0193');
  const hashes = [id, other].map((each) =>
    newApiKeySecret(
      random(() => bytes),
      each,
    ).hash.toString('hex'),
  );
  expect(new Set(hashes).size).toBe(2);
});

test('the checksum finds a mistyped character at any place, before any look-up', () => {
  for (let at = 'sp_ak_'.length; at < made.text.length; at += 1) {
    const wrong = made.text[at] === '1' ? '2' : '1';
    expect(parseApiKey(made.text.slice(0, at) + wrong + made.text.slice(at + 1))).toBeNull();
  }
});

test.each(['', 'sp_ak_', 'sp_rt_1.x', `${'x'.repeat(100_000)}`])('%j is no key', (text) => {
  expect(parseApiKey(text)).toBeNull();
});

test.each([
  ['a longer key', `${made.text}A`],
  ['a shorter key', made.text.slice(0, -1)],
  ['a key with a line break', `${made.text}\n`],
  ['a key in capitals', made.text.toUpperCase()],
])('%s is not parsed', (_name, text) => expect(parseApiKey(text)).toBeNull());
