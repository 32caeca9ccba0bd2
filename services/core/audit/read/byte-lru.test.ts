import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createByteLru } from './byte-lru.ts';

test('evicts the least recently used entry first, and `get` counts as use', () => {
  const cache = createByteLru<number>(12);
  for (const n of [1, 2, 3, 4]) cache.set(String(n), n, 3);
  expect(cache.get('1')).toBe(1);
  cache.set('5', 5, 3);
  expect(['1', '2', '3', '4', '5'].map((key) => cache.get(key))).toEqual([1, undefined, 3, 4, 5]);
});

test('does not store a value larger than a quarter of the cache, and removes the previous value of its key', () => {
  const cache = createByteLru<string>(12);
  cache.set('a', 'small', 3);
  cache.set('a', 'large', 4);
  expect([cache.get('a'), cache.bytes()]).toEqual([undefined, 0]);
});

test('never exceeds its bound, and counts exactly the bytes of its entries', () => {
  const use = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
    bytes: fc.nat(30),
    isGet: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(use, { maxLength: 60 }), (uses) => {
      const cache = createByteLru<number>(80);
      for (const { key, bytes, isGet } of uses) {
        if (isGet) cache.get(key);
        else cache.set(key, bytes, bytes);
        expect(cache.bytes()).toBeLessThanOrEqual(80);
      }
      const sizes = [...'abcdefg'].map((key) => cache.get(key) ?? 0);
      expect(cache.bytes()).toBe(sizes.reduce((sum, bytes) => sum + bytes, 0));
    }),
  );
});
