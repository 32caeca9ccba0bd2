import { expect, test } from 'vitest';
import { runInSpan } from '#observability/http-span.ts';
import { RequestTrace } from '#observability/trace-context.ts';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { confirmIfMissing, createStateConfirmation } from './confirm-state.ts';
import { createPollHarness, type PollHarness } from './state-poll-harness.ts';

/** A fake key ring with the time of its last load and the number of loads. */
function ringOf(harness: PollHarness) {
  const ring = { confirmedAtMs: 0, loads: 0, isFailing: false };
  const keyRing = {
    isConfirmedSince: (ms: number) => ring.confirmedAtMs >= ms,
    load: async () => {
      ring.loads += 1;
      if (ring.isFailing) throw new Error('down');
      ring.confirmedAtMs = harness.monotonicMs;
    },
  } as unknown as KeyRing;
  return { ring, keyRing };
}

async function openHarness(waitMs = 1_500) {
  const harness = createPollHarness();
  await harness.started();
  const { ring, keyRing } = ringOf(harness);
  const clock = { now: () => 0, monotonic: () => harness.monotonicMs };
  const confirmState = createStateConfirmation(
    { poll: harness.poll, revocations: harness.set, keyRing, clock },
    waitMs,
  );
  return { harness, ring, confirmState };
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
