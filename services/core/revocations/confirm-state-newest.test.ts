import { expect, test } from 'vitest';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { createNewestConfirmation, whyUnconfirmed } from './confirm-state.ts';
import type { HasRevocations } from './revocation-set.ts';
import { createPollHarness } from './state-poll-harness.ts';

/** A view in memory that a poll confirms only if it is the newest version. */
function viewOf(harness: { readonly monotonicMs: number }) {
  const view = { confirmedAtMs: 0, loads: 0 };
  return Object.assign(view, {
    isConfirmedSince: (ms: number) => view.confirmedAtMs >= ms,
    load: async () => {
      view.loads += 1;
      view.confirmedAtMs = harness.monotonicMs;
    },
  });
}

async function open(waitMs = 1_500) {
  const harness = createPollHarness();
  await harness.started();
  const [fresh, old] = [viewOf(harness), viewOf(harness)];
  fresh.confirmedAtMs = Number.POSITIVE_INFINITY;
  const clock = { now: () => 0, monotonic: () => harness.monotonicMs };
  const confirmNewest = createNewestConfirmation(
    { poll: harness.poll, revocations: harness.set, clock, views: [fresh, old] },
    waitMs,
  );
  return { harness, fresh, old, confirmNewest };
}

test('callers during a poll share the next one, and a view that it finds old is loaded before they go on', async () => {
  const { harness, fresh, old, confirmNewest } = await open();
  harness.monotonicMs += 1_000;
  const before = harness.asked.length;
  await Promise.all(Array.from({ length: 10 }, confirmNewest));
  expect(harness.asked.length - before).toBe(2);
  expect([fresh.loads, old.loads]).toEqual([0, 1]);
});

test('a database that does not answer within the wait is a stale directory', async () => {
  const { harness, confirmNewest } = await open(50);
  harness.monotonicMs += 1_000;
  harness.isAutomatic = false;
  expect(await outcomeOf(confirmNewest())).toBe('directory_stale');
});

test('a poll that confirms nothing is a stale directory', async () => {
  const { harness } = await open();
  const confirmNewest = createNewestConfirmation(
    {
      poll: { wake: async () => {} },
      revocations: harness.set,
      clock: { now: () => 0, monotonic: () => harness.monotonicMs + 1_000 },
      views: [],
    },
    1_500,
  );
  expect(await outcomeOf(confirmNewest())).toBe('directory_stale');
});

test('a directory that cannot be confirmed is called stale, and the database rewound where it is', () => {
  const at = (rewound: boolean) => ({ revocations: { state: () => ({ rewound }) } }) as unknown as HasRevocations;
  expect(whyUnconfirmed(at(false)).code).toBe('directory_stale');
  expect(whyUnconfirmed(at(true)).code).toBe('state_rewound');
});
