import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createByteLru } from './byte-lru.ts';
import { shareReads } from './share-reads.ts';

const counted = () => {
  const singleFlight = shareReads<string>();
  const pending: PromiseWithResolvers<string>[] = [];
  const read = (key: string): Promise<string> =>
    singleFlight(key, () => {
      const reading = Promise.withResolvers<string>();
      pending.push(reading);
      return reading.promise;
    });
  return { read, pending };
};

test('concurrent callers of a key share one read; a later caller reads again', async () => {
  const { read, pending } = counted();
  const asked = [read('a'), read('a'), read('b')];
  expect(pending).toHaveLength(2);
  pending[0]?.resolve('one');
  pending[1]?.resolve('other');
  expect(await Promise.all(asked)).toEqual(['one', 'one', 'other']);
  const again = read('a');
  expect(pending).toHaveLength(3);
  pending[2]?.resolve('two');
  expect(await again).toBe('two');
});

test('a failed read rejects for the callers that shared it, not for later callers', async () => {
  const { read, pending } = counted();
  const asked = Promise.allSettled([read('a'), read('a')]);
  pending[0]?.reject(new Error('gone'));
  expect((await asked).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const again = read('a');
  pending[1]?.resolve('back');
  expect(await again).toBe('back');
});

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
