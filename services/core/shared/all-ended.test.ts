import { expect, test } from 'vitest';
import { allEnded } from './all-ended.ts';

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
