import { expect, test } from 'vitest';
import { runInSpan } from '#observability/http-span.ts';
import { RequestTrace } from '#observability/trace-context.ts';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import {
  confirmIfMissing,
  createNewestConfirmation,
  createStateConfirmation,
  whyUnconfirmed,
} from './confirm-state.ts';
import type { HasRevocations } from './revocation-set.ts';
import { createPollHarness, type PollHarness } from './state-poll-harness.ts';

/** A fake view with the time of its last load and the number of loads; a poll confirms only the newest version. */
function viewOf(harness: PollHarness) {
  const view = { confirmedAtMs: 0, loads: 0, isFailing: false };
  return Object.assign(view, {
    isConfirmedSince: (ms: number) => view.confirmedAtMs >= ms,
    load: async () => {
      view.loads += 1;
      if (view.isFailing) throw new Error('down');
      view.confirmedAtMs = harness.monotonicMs;
    },
  });
}

async function openHarness(waitMs = 1_500) {
  const harness = createPollHarness();
  await harness.started();
  const [ring, fresh] = [viewOf(harness), viewOf(harness)];
  fresh.confirmedAtMs = Number.POSITIVE_INFINITY;
  const clock = { now: () => 0, monotonic: () => harness.monotonicMs };
  const ports = { poll: harness.poll, revocations: harness.set, clock };
  const confirmState = createStateConfirmation({ ...ports, keyRing: ring as unknown as KeyRing }, waitMs);
  const confirmNewest = createNewestConfirmation({ ...ports, views: [fresh, ring] }, waitMs);
  return { harness, ring, fresh, confirmState, confirmNewest };
}

test('only a poll that was sent after the call confirms the state, never one in flight', async () => {
  const { harness, ring, confirmState } = await openHarness();
  harness.isAutomatic = false;
  void harness.poll.wake();
  await expect.poll(() => harness.asked.length).toBe(1);
  harness.monotonicMs += 10;
  const answer = confirmState();
  harness.asked[0]!.answer();
  await expect.poll(() => harness.asked.length).toBe(2);
  ring.confirmedAtMs = harness.monotonicMs;
  harness.asked[1]!.answer();
  expect(await answer).toBe(true);
  await harness.close();
});

test('concurrent callers share one poll', async () => {
  const { harness, ring, confirmState } = await openHarness();
  harness.isAutomatic = false;
  harness.monotonicMs += 10;
  ring.confirmedAtMs = harness.monotonicMs;
  const first = confirmState();
  await expect.poll(() => harness.asked.length).toBe(1);
  const answers = Array.from({ length: 100 }, confirmState);
  harness.isAutomatic = true;
  harness.asked[0]!.answer();
  expect(await Promise.all([first, ...answers])).toEqual(Array(101).fill(true));
  expect(harness.asked).toHaveLength(2);
  await harness.close();
});

test('keys that the poll did not confirm are loaded before the call resolves', async () => {
  const { harness, ring, confirmState } = await openHarness();
  harness.monotonicMs += 10;
  expect(await confirmState()).toBe(true);
  expect(ring.loads).toBe(1);
  ring.isFailing = true;
  harness.monotonicMs += 10;
  expect(await confirmState()).toBe(false);
  await harness.close();
});

test.each([
  ['is a standby', (harness: PollHarness) => Object.assign(harness.db, { is_standby: true })],
  ['is older than its high-water marks', (harness: PollHarness) => Object.assign(harness.db, { beat: 0 })],
  ['says nothing', (harness: PollHarness) => Object.assign(harness, { isAutomatic: false })],
])('a database that %s does not confirm the state', async (_, change) => {
  const { harness, ring, confirmState } = await openHarness(50);
  ring.confirmedAtMs = Number.MAX_SAFE_INTEGER;
  harness.monotonicMs += 10;
  expect(await confirmState()).toBe(true);
  harness.monotonicMs += 10;
  change(harness);
  expect(await confirmState()).toBe(false);
  await harness.close();
});

test('a request waits no longer than it may for PostgreSQL', async () => {
  const { harness, confirmState } = await openHarness(60_000);
  harness.isAutomatic = false;
  const request = new RequestTrace('1'.repeat(32), undefined);
  request.storeMsLeft = 20;
  expect(await runInSpan(request, confirmState)).toBe(false);
  expect(request.storeMsLeft).toBeLessThan(0);
  harness.isAutomatic = true;
  await harness.close();
});

test('a found result needs no confirmation; a missing one is looked up again after it, or is 503', async () => {
  let polls = 0;
  let looks = 0;
  const ports = (isConfirmed: boolean) => ({
    confirmState: async () => {
      polls += 1;
      return isConfirmed;
    },
  });
  const look = (): number => {
    looks += 1;
    return looks;
  };
  expect(await confirmIfMissing(ports(true), look, () => false)).toBe(1);
  expect(polls).toBe(0);
  expect(await confirmIfMissing(ports(true), look, (found) => found === 2)).toBe(3);
  expect(await outcomeOf(confirmIfMissing(ports(false), look, () => true))).toBe('key_ring_behind');
});

test('callers during a poll share the next one, and a view that it finds old is loaded before they go on', async () => {
  const { harness, fresh, ring, confirmNewest } = await openHarness();
  harness.monotonicMs += 1_000;
  const before = harness.asked.length;
  await Promise.all(Array.from({ length: 10 }, confirmNewest));
  expect(harness.asked.length - before).toBe(2);
  expect([fresh.loads, ring.loads]).toEqual([0, 1]);
});

test('a database that does not answer within the wait is a stale directory', async () => {
  const { harness, confirmNewest } = await openHarness(50);
  harness.monotonicMs += 1_000;
  harness.isAutomatic = false;
  expect(await outcomeOf(confirmNewest())).toBe('directory_stale');
});

test('a poll that confirms nothing is a stale directory', async () => {
  const { harness } = await openHarness();
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
