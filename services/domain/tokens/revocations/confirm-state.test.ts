import { expect, test } from 'vitest';
import { outcomeOf } from '../../../platform/testing/outcome.ts';
import { createPollWorld, type PollWorld } from '../../../platform/testing/worlds/poll-world.ts';
import type { KeyRing } from '../../keys/key-ring.ts';
import { createStateConfirmation, lookConfirmed } from './confirm-state.ts';

/** A key ring that was loaded at a time, and how often. */
function ringOf(world: PollWorld) {
  const ring = { confirmedAtMs: 0, loads: 0, isFailing: false };
  const keyRing = {
    isConfirmedSince: (ms: number) => ring.confirmedAtMs >= ms,
    load: async () => {
      ring.loads += 1;
      if (ring.isFailing) throw new Error('down');
      ring.confirmedAtMs = world.monotonicMs;
    },
  } as unknown as KeyRing;
  return { ring, keyRing };
}

async function openWorld(waitMs?: number) {
  const world = createPollWorld();
  await world.started();
  const { ring, keyRing } = ringOf(world);
  const clock = { now: () => 0, monotonic: () => world.monotonicMs };
  const confirmState = createStateConfirmation({ poll: world.poll, revocations: world.set, keyRing, clock }, waitMs);
  return { world, ring, confirmState };
}

test('a state is confirmed by a poll sent after the question, never by one under way', async () => {
  const { world, ring, confirmState } = await openWorld();
  world.isAutomatic = false;
  void world.poll.wake();
  await expect.poll(() => world.asked.length).toBe(1);
  world.monotonicMs += 10;
  const answer = confirmState();
  world.asked[0]!.answer();
  await expect.poll(() => world.asked.length).toBe(2);
  ring.confirmedAtMs = world.monotonicMs;
  world.asked[1]!.answer();
  expect(await answer).toBe(true);
  await world.close();
});

test('any number of questions share one poll', async () => {
  const { world, ring, confirmState } = await openWorld();
  world.isAutomatic = false;
  world.monotonicMs += 10;
  ring.confirmedAtMs = world.monotonicMs;
  const first = confirmState();
  await expect.poll(() => world.asked.length).toBe(1);
  const answers = Array.from({ length: 100 }, confirmState);
  world.isAutomatic = true;
  world.asked[0]!.answer();
  expect(await Promise.all([first, ...answers])).toEqual(Array(101).fill(true));
  expect(world.asked).toHaveLength(2);
  await world.close();
});

test('keys that the poll did not confirm are loaded before the answer', async () => {
  const { world, ring, confirmState } = await openWorld();
  world.monotonicMs += 10;
  expect(await confirmState()).toBe(true);
  expect(ring.loads).toBe(1);
  ring.isFailing = true;
  world.monotonicMs += 10;
  expect(await confirmState()).toBe(false);
  await world.close();
});

test.each([
  ['is a standby', (world: PollWorld) => Object.assign(world.db, { isStandby: true })],
  ['is older than its marks', (world: PollWorld) => Object.assign(world.db, { beat: 0 })],
  ['says nothing', (world: PollWorld) => Object.assign(world, { isAutomatic: false })],
])('a database that %s confirms nothing', async (_, change) => {
  const { world, ring, confirmState } = await openWorld(50);
  ring.confirmedAtMs = Number.MAX_SAFE_INTEGER;
  world.monotonicMs += 10;
  expect(await confirmState()).toBe(true);
  world.monotonicMs += 10;
  change(world);
  expect(await confirmState()).toBe(false);
  await world.close();
});

test('what is found is not confirmed; what is missing is looked for again, or is 503', async () => {
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
  expect(await lookConfirmed(ports(true), look, () => false)).toBe(1);
  expect(polls).toBe(0);
  expect(await lookConfirmed(ports(true), look, (found) => found === 2)).toBe(3);
  expect(await outcomeOf(lookConfirmed(ports(false), look, () => true))).toBe('key_ring_behind');
});
