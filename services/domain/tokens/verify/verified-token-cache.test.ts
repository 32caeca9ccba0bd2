import { createSecretKey, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createVerifiedTokenCache, type VerifiedToken } from './verified-token-cache.ts';

const verified = (kid = 'k'): VerifiedToken => ({
  claims: { iss: 'i', aud: 'a', sub: 's', client_id: 'c', iat: 1, exp: 2, jti: 'j' },
  kid,
  key: createSecretKey(Buffer.alloc(32)),
  keyAudience: undefined,
  revocable: { jti: 'j', sub: 's', client_id: 'c', ue: 0, ce: 0 },
  answer: '{}',
});
const token = (): string => randomBytes(64).toString('base64url');

test('a token is kept from its second offer on', () => {
  const cache = createVerifiedTokenCache();
  const text = token();
  cache.offer(text, verified());
  expect(cache.get(text)).toBeUndefined();
  const entry = verified();
  cache.offer(text, entry);
  expect(cache.get(text)).toBe(entry);
  expect(cache.size).toBe(1);
});

test('tokens that differ only in their signature never share a verdict, though their last characters are alike', () => {
  const cache = createVerifiedTokenCache();
  const [head, tail] = [token(), token().slice(-12)];
  const [one, two] = [`${head}A${tail}`, `${head}B${tail}`];
  cache.offer(one, verified('one'));
  cache.offer(one, verified('one'));
  expect(cache.get(two)).toBeUndefined();
  expect(cache.get(one)?.kid).toBe('one');
});

test('a token with the whole name of another, and another beginning, is not that token', () => {
  const cache = createVerifiedTokenCache();
  const known = token();
  cache.offer(known, verified());
  cache.offer(known, verified());
  for (const other of [`A${known}`, `${known[0] === 'A' ? 'B' : 'A'}${known.slice(1)}`, known.slice(-32)])
    expect(cache.get(other)).toBeUndefined();
  expect(cache.get(known)).toBeDefined();
});

test('tokens shown once leave nothing behind, and no number of tokens makes it grow beyond its bound', () => {
  const cache = createVerifiedTokenCache(100);
  // Eight decimal digits have fingerprints of their own; of ten thousand random ends, two are alike once in a hundred runs.
  for (let shown = 0; shown < 10_000; shown += 1) cache.offer(`${token()}${10_000_000 + shown}`, verified());
  expect(cache.size).toBe(0);
  for (let shown = 0; shown < 10_000; shown += 1) {
    const text = token();
    cache.offer(text, verified());
    cache.offer(text, verified());
    expect(cache.size).toBeLessThanOrEqual(100);
  }
});

test('what is used stays while others come and go', () => {
  const cache = createVerifiedTokenCache(100);
  const used = token();
  cache.offer(used, verified('used'));
  cache.offer(used, verified('used'));
  for (let shown = 0; shown < 1_000; shown += 1) {
    const text = token();
    cache.offer(text, verified());
    cache.offer(text, verified());
    if (shown % 20 === 0) expect(cache.get(used)?.kid).toBe('used');
  }
});

test('short texts are taken as they are', () => {
  const cache = createVerifiedTokenCache();
  cache.offer('a', verified());
  cache.offer('a', verified());
  expect(cache.get('a')).toBeDefined();
});
