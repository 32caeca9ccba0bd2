import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createByteLru } from './byte-lru.ts';

test('what was not used for longest goes first, and a use is a use', () => {
  const cache = createByteLru<number>(12);
  for (const n of [1, 2, 3, 4]) cache.set(String(n), n, 3);
  expect(cache.get('1')).toBe(1);
  cache.set('5', 5, 3);
  expect(['1', '2', '3', '4', '5'].map((key) => cache.get(key))).toEqual([1, undefined, 3, 4, 5]);
});

test('what would take over a quarter of the room is not kept, and takes the older value with it', () => {
  const cache = createByteLru<string>(12);
  cache.set('a', 'small', 3);
  cache.set('a', 'large', 4);
  expect([cache.get('a'), cache.bytes()]).toEqual([undefined, 0]);
});

test('whatever is set and asked for, it never holds more than its room, and counts what it holds', () => {
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
      const held = [...'abcdefg'].map((key) => cache.get(key) ?? 0);
      expect(cache.bytes()).toBe(held.reduce((sum, bytes) => sum + bytes, 0));
    }),
  );
});
