import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createEndOfTick } from './end-of-tick.ts';

test('callers of one tick continue directly after each other once the tick has ended; later callers wait for their own', async () => {
  const endOfTick = createEndOfTick();
  const order: string[] = [];
  const first = endOfTick().then(() => order.push('first'));
  await Promise.resolve();
  order.push('same tick');
  const second = endOfTick().then(() => order.push('second'));
  const other = setImmediate().then(() => order.push('other work'));
  await Promise.all([first, second, other]);
  expect(order).toEqual(['same tick', 'first', 'second', 'other work']);
});
