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

test('a key tells its id and the hash that is stored, and nothing else is needed to find it', () => {
  expect(made.text).toMatch(/^sp_ak_[0-9a-f]{32}_[0-9A-Za-z]{49}$/);
  expect(parseApiKey(made.text)).toEqual({ id, hash: made.hash });
});

test('every bit of the secret counts: the least and the greatest differ in length from none', () => {
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

test('one id’s secret is no good under another: the hash holds both', () => {
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

test('a typing mistake anywhere is found by the checksum, before anything is looked up', () => {
  for (let at = 'sp_ak_'.length; at < made.text.length; at += 1) {
    const wrong = made.text[at] === '1' ? '2' : '1';
    expect(parseApiKey(made.text.slice(0, at) + wrong + made.text.slice(at + 1))).toBeNull();
  }
});

test.each(['', 'sp_ak_', 'sp_rt_1.x', `${'x'.repeat(100_000)}`])('%j is no key', (text) => {
  expect(parseApiKey(text)).toBeNull();
});

test.each([
  ['a longer one', `${made.text}A`],
  ['a shorter one', made.text.slice(0, -1)],
  ['one in a line', `${made.text}\n`],
  ['one in capitals', made.text.toUpperCase()],
])('%s is no key', (_name, text) => {
  expect(parseApiKey(text)).toBeNull();
});
