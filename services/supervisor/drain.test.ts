import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { type Drainable, drain } from './drain.ts';

asShipped();

let acts: string[];
beforeEach(() => {
  acts = [];
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

/** A child that ends when it is killed, or when the test lets it. */
function child(name: string): Drainable & { readonly end: () => void } {
  const ended = Promise.withResolvers<void>();
  return {
    stop: () => {
      acts.push(`stop ${name}`);
      return ended.promise;
    },
    kill: () => {
      acts.push(`kill ${name}`);
      ended.resolve();
    },
    end: ended.resolve,
  };
}
const never = { hurry: new Promise<void>(() => {}) };

test('a child is stopped when the one before it has ended', async () => {
  const [api, worker] = [child('api'), child('worker')];
  const drained = drain([api, worker], never);
  await vi.advanceTimersByTimeAsync(27_000);
  expect(acts).toEqual(['stop api']);
  api.end();
  worker.end();
  await drained;
  expect([acts, vi.getTimerCount()]).toEqual([['stop api', 'stop worker'], 0]);
});

test.each(['the budget', 'a second request'])(
  '%s kills all children, those not yet asked to stop included',
  async (by) => {
    const hurry = Promise.withResolvers<void>();
    const drained = drain([child('api'), child('worker')], { hurry: hurry.promise });
    if (by === 'the budget') await vi.advanceTimersByTimeAsync(28_000);
    else hurry.resolve();
    await drained;
    expect(acts.slice(0, 3)).toEqual(['stop api', 'kill api', 'kill worker']);
    // It was asked to stop after the kill, when it might have begun to drain.
    const asked = acts.indexOf('stop worker');
    expect(acts.lastIndexOf('kill worker')).toBeGreaterThan(asked);
  },
);
