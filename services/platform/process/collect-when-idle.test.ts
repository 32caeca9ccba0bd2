import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { collectWhenIdle, wholeHeapCollector } from './collect-when-idle.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A process whose event loop is busy for `share` of the time. */
function startedProcess(share: number) {
  const state = { share, collections: 0 };
  const busyness = () => ({ idle: 1 - state.share, active: state.share, utilization: state.share });
  const collect = (): void => {
    state.collections += 1;
  };
  collectWhenIdle({ collect, busyness });
  return state;
}

test('an idle process collects two seconds after its start, a minute later, and then every ten minutes', () => {
  const state = startedProcess(0.02);
  vi.advanceTimersByTime(1_999);
  expect(state.collections).toBe(0);
  vi.advanceTimersByTime(1);
  expect(state.collections).toBe(1);
  for (const [pauseMs, collections] of [
    [60_000, 2],
    [600_000, 3],
    [600_000, 4],
  ] as const) {
    vi.advanceTimersByTime(pauseMs + 1_999);
    expect(state.collections).toBe(collections - 1);
    vi.advanceTimersByTime(1);
    expect(state.collections).toBe(collections);
  }
});

test('a process under load collects only once the load is over', () => {
  const state = startedProcess(0.1);
  vi.advanceTimersByTime(3_600_000);
  expect(state.collections).toBe(0);
  state.share = 0.09;
  vi.advanceTimersByTime(2_000);
  expect(state.collections).toBe(1);
});

test('frees what nothing holds, and shows the collector to no other code', async () => {
  vi.useRealTimers();
  const left = new WeakRef({});
  // A reference that was read or made is kept until the end of its turn.
  await new Promise(setImmediate);
  wholeHeapCollector()();
  expect(left.deref()).toBeUndefined();
  expect(globalThis).not.toHaveProperty('gc');
});
