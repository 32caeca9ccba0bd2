import { expect, test } from 'vitest';
import { allEnded, retryPauseSeconds } from './send-batch.ts';

test('pauses double up to the longest, a quarter longer or shorter', () => {
  const pauses = (byte: number) => {
    const random = { bytes: (size: number) => Buffer.alloc(size, byte), uuid: () => '' };
    return [1, 2, 3, 40].map((attempts) => retryPauseSeconds({ random }, attempts, 2, 300));
  };
  expect(pauses(0)).toEqual([1.5, 3, 6, 225]);
  for (const [n, pause] of pauses(255).entries()) expect(pause).toBeCloseTo([2.5, 5, 10, 375][n] as number, 1);
});

test('rejects only after every part has ended, with the first failure in the order of the parts', async () => {
  const slow = Promise.withResolvers<string>();
  const ended: string[] = [];
  const all = allEnded([
    Promise.reject(new Error('first')),
    slow.promise.then((name) => ended.push(name)),
    Promise.reject(new Error('second')),
  ]).catch((err: Error) => ended.push(err.message));
  await new Promise(setImmediate);
  expect(ended).toEqual([]);
  slow.resolve('slow');
  await all;
  expect(ended).toEqual(['slow', 'first']);
});
