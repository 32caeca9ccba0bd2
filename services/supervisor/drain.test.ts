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
const api = (): ReturnType<typeof child>[] => [child('api-1'), child('api-2')];

test('the children of a kind are stopped at once, and the next kind when all of them have ended', async () => {
  const [one, two] = api();
  const worker = child('worker');
  const drained = drain([[one!, two!], [worker]], never);
  one!.end();
  await vi.advanceTimersByTimeAsync(27_000);
  expect(acts).toEqual(['stop api-1', 'stop api-2']);
  two!.end();
  worker.end();
  await drained;
  expect(acts).toEqual(['stop api-1', 'stop api-2', 'stop worker']);
  expect(vi.getTimerCount()).toBe(0);
});

test.each(['the budget', 'a second request'])(
  '%s kills all children, those not yet asked to stop included',
  async (by) => {
    const hurry = Promise.withResolvers<void>();
    const drained = drain([api(), [child('worker')]], { hurry: hurry.promise });
    if (by === 'the budget') await vi.advanceTimersByTimeAsync(28_000);
    else hurry.resolve();
    await drained;
    expect(acts.slice(0, 5)).toEqual(['stop api-1', 'stop api-2', 'kill api-1', 'kill api-2', 'kill worker']);
    // It was asked to stop after the kill, when it might have begun to drain.
    const asked = acts.indexOf('stop worker');
    expect(acts.lastIndexOf('kill worker')).toBeGreaterThan(asked);
  },
);
