import { expect, test } from 'vitest';
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
