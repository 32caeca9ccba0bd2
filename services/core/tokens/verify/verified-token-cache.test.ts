import { createSecretKey, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { verifyToken } from './validate-token.ts';
import { createVerifiedTokenCache, type VerifiedToken } from './verified-token-cache.ts';

const verified = (kid = 'k'): VerifiedToken => ({
  claims: { iss: 'i', aud: 'a', sub: 's', client_id: 'c', iat: 1, exp: 2, jti: 'j' },
  kid,
  key: createSecretKey(Buffer.alloc(32)),
  keyAudience: undefined,
  revocable: { jti: 'j', sub: 's', client_id: 'c', ue: 0, ce: 0 },
  answer: '{}',
});
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
async function collected(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    gc();
    await setImmediate();
  }
}
const token = (): string => randomBytes(64).toString('base64url');
const MEBIBYTE = 1_048_576;
/** Counted bytes of one entry of these tests: its token of 86 characters, and four times its answer. */
const ENTRY_BYTES = 86 + 4 * 2;

// Runs first and with a wide tolerance, because memory that the test runner frees meanwhile distorts the measurement.
test('the counted bytes are at least the bytes in use, and less than twice as many', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = { alg: 'EdDSA', key: publicKey, audience: undefined };
  const ports = {
    keyRing: { find: () => ({ key, compromised: false }) },
    tokenSettings: { requireSessionBinding: true },
  } as unknown as Parameters<typeof verifyToken>[0];
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const bodies = Array.from({ length: 4_000 }, (_none, at) => {
    const names = { iss: 'http://127.0.0.1:3000', aud: 'http://127.0.0.1:3000', client_id: 'sallyport' };
    const ids = { sub: randomUUID(), jti: randomUUID(), sid: randomUUID(), fid: randomUUID() };
    const times = { iat: 1_700_000_000, exp: 1_700_000_900, auth_time: 1_700_000_000, ue: 0, ce: 0 };
    const claims = { ...names, ...ids, ...times, roles: ['user'], permissions: ['thing:read', 'thing:write'] };
    const input = `${part({ alg: 'EdDSA', typ: 'at+jwt', kid: 'k' })}.${part({ ...claims, email: `person${at}@example.test` })}`;
    return JSON.stringify({ token: `${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}` });
  });
  const cache = createVerifiedTokenCache(64 * MEBIBYTE);
  await collected();
  const before = process.memoryUsage().heapUsed;
  for (const body of bodies) {
    const { token: text } = JSON.parse(body) as { token: string };
    cache.offer(text, verifyToken(ports, text) as VerifiedToken);
    cache.offer(text, verifyToken(ports, text) as VerifiedToken);
  }
  await collected();
  const held = process.memoryUsage().heapUsed - before;
  expect(cache.size).toBe(4_000);
  expect(cache.bytes / held).toBeGreaterThan(0.95);
  expect(cache.bytes / held).toBeLessThan(2);
});

test('a token is cached from its second offer on', () => {
  const cache = createVerifiedTokenCache(MEBIBYTE);
  const text = token();
  cache.offer(text, verified());
  expect(cache.get(text)).toBeUndefined();
  const entry = verified();
  cache.offer(text, entry);
  expect(cache.get(text)).toBe(entry);
  expect(cache.size).toBe(1);
});

test('tokens that differ only in their signature never share an entry, even if their last characters are equal', () => {
  const cache = createVerifiedTokenCache(MEBIBYTE);
  const [head, tail] = [token(), token().slice(-12)];
  const [one, two] = [`${head}A${tail}`, `${head}B${tail}`];
  cache.offer(one, verified('one'));
  cache.offer(one, verified('one'));
  expect(cache.get(two)).toBeUndefined();
  expect(cache.get(one)?.kid).toBe('one');
});

test('a token with the same last characters as a cached one, and another beginning, does not match it', () => {
  const cache = createVerifiedTokenCache(MEBIBYTE);
  const known = token();
  cache.offer(known, verified());
  cache.offer(known, verified());
  for (const other of [`A${known}`, `${known[0] === 'A' ? 'B' : 'A'}${known.slice(1)}`, known.slice(-32)])
    expect(cache.get(other)).toBeUndefined();
  expect(cache.get(known)).toBeDefined();
});

test('tokens offered once are not cached, and no number of tokens makes the cache exceed its limit in bytes', () => {
  const cache = createVerifiedTokenCache(100 * ENTRY_BYTES, () => 0);
  // Eight decimal digits have distinct fingerprints; of ten thousand random endings, two would collide once in a hundred runs.
  for (let shown = 0; shown < 10_000; shown += 1) cache.offer(`${token()}${10_000_000 + shown}`, verified());
  expect([cache.size, cache.bytes]).toEqual([0, 0]);
  for (let shown = 0; shown < 10_000; shown += 1) {
    const text = token().repeat(1 + (shown % 7));
    cache.offer(text, verified());
    cache.offer(text, verified());
    expect(cache.get(text)).toBeDefined();
    expect(cache.bytes).toBeLessThanOrEqual(100 * ENTRY_BYTES);
    expect(cache.bytes).toBeGreaterThanOrEqual(cache.size * ENTRY_BYTES);
  }
  const large = token().repeat(100 * 2);
  cache.offer(large, verified());
  cache.offer(large, verified());
  expect(cache.get(large)).toBeUndefined();
});

test('a token verified by another key replaces its cached entry', () => {
  const cache = createVerifiedTokenCache(ENTRY_BYTES);
  const text = token();
  cache.offer(text, verified('one'));
  cache.offer(text, verified('one'));
  cache.offer(text, verified('two'));
  expect([cache.get(text)?.kid, cache.size, cache.bytes]).toEqual(['two', 1, ENTRY_BYTES]);
  cache.offer(text, { ...verified('three'), answer: '{"active":true}' });
  expect(cache.get(text)?.kid).toBe('two');
});

test('of 100,000 tokens used in turn, of which half fit, more than four in ten hit the cache', () => {
  const cache = createVerifiedTokenCache(50_000 * ENTRY_BYTES);
  const tokens = Array.from({ length: 100_000 }, token);
  const entry = verified();
  const hitShare = (): number => {
    let hits = 0;
    for (const text of tokens)
      if (cache.get(text) === undefined) cache.offer(text, entry);
      else hits += 1;
    return hits / tokens.length;
  };
  for (let round = 0; round < 6; round += 1) hitShare();
  expect(hitShare()).toBeGreaterThan(0.4);
});

test('tokens in use survive a scan of ten times as many tokens as fit', () => {
  const cache = createVerifiedTokenCache(5_000 * ENTRY_BYTES);
  const entry = verified();
  const show = (text: string): boolean => {
    const isHit = cache.get(text) !== undefined;
    if (!isHit) cache.offer(text, entry);
    return isHit;
  };
  const used = Array.from({ length: 1_000 }, token);
  for (let round = 0; round < 3; round += 1) used.forEach(show);
  const scanned = Array.from({ length: 50_000 }, token);
  let hits = 0;
  for (const [at, text] of [...scanned, ...scanned].entries()) {
    show(text);
    hits += Number(show(used[at % used.length] as string));
  }
  expect(hits / (2 * scanned.length)).toBeGreaterThan(0.97);
});

test('a full cache soon has the tokens in use instead of earlier ones', () => {
  const cache = createVerifiedTokenCache(1_000 * ENTRY_BYTES);
  const entry = verified();
  const hitShare = (texts: readonly string[]): number => {
    let hits = 0;
    for (const text of texts)
      if (cache.get(text) === undefined) cache.offer(text, entry);
      else hits += 1;
    return hits / texts.length;
  };
  const [before, after] = [Array.from({ length: 1_000 }, token), Array.from({ length: 500 }, token)];
  for (let round = 0; round < 20; round += 1) hitShare(before);
  for (let round = 0; round < 60; round += 1) hitShare(after);
  expect(hitShare(after)).toBeGreaterThan(0.95);
});

test('a token in use stays cached while others are added and evicted', () => {
  const cache = createVerifiedTokenCache(100 * ENTRY_BYTES, () => 0);
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

test('short texts are cached too', () => {
  const cache = createVerifiedTokenCache(MEBIBYTE);
  cache.offer('a', verified());
  cache.offer('a', verified());
  expect(cache.get('a')).toBeDefined();
});
