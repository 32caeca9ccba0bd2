import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPollWorld, type PollWorld, turn } from '../../../platform/testing/worlds/poll-world.ts';
import { REVOCATION_STREAM } from './revocation-news.cache.ts';
import { FEED_PAGE_SIZE } from './revocations.store.ts';

const HOUR_MS = 3_600_000;

let world: PollWorld;
beforeEach(() => {
  world = createPollWorld();
});
afterEach(() => world.close());

describe('age', () => {
  test('counts from the moment the statement was sent, not from its answer', async () => {
    await world.started();
    world.isAutomatic = false;
    world.monotonicMs = 10_000;
    const done = world.poll.wake();
    world.monotonicMs = 11_500;
    world.asked[0]!.answer();
    await done;
    expect(world.set.state().ageMs).toBe(1_500);
    expect(world.confirmed.at(-1)).toMatchObject({
      sentAtMs: 10_000,
      keysVersion: 1,
      accessVersion: 1,
      incarnation: 'i1',
    });
    world.monotonicMs = 12_001;
    expect(world.set.refusal()).toBe('revocation_state_stale');
  });

  test('goes on while the database fails, says so once, and recovers with the first answer', async () => {
    await world.started();
    world.isAutomatic = false;
    for (let failure = 0; failure < 3; failure += 1) {
      world.monotonicMs += 1_000;
      const done = world.poll.wake();
      // After a failure the marks are read first.
      await turn();
      world.asked.at(-1)!.answer(new Error('gone'));
      await done;
    }
    expect(world.set.refusal()).toBe('revocation_state_stale');
    expect(world.lines.filter((line) => line === 'revocations could not be read')).toHaveLength(1);
    world.isAutomatic = true;
    await world.poll.wake();
    expect(world.set.refusal()).toBeNull();
    expect(world.lines).toContain('revocations are read again');
  });

  test('a standby is no source: however often it answers, the state grows stale', async () => {
    await world.started();
    world.db.isStandby = true;
    world.monotonicMs += 3_000;
    await world.poll.wake();
    expect(world.set.refusal()).toBe('revocation_state_stale');
  });

  test('a page that is full confirms nothing: only the last one is complete', async () => {
    for (let index = 0; index < FEED_PAGE_SIZE + 1; index += 1) world.revoke(`j${index}`);
    world.isAutomatic = false;
    world.poll.start();
    await turn();
    world.asked[0]!.answer();
    await turn();
    expect(world.isRevoked('j0')).toBe(true);
    expect(world.set.refusal()).toBe('revocation_state_stale');
    expect(world.asked[1]!.since).toBe(FEED_PAGE_SIZE);
    world.asked[1]!.answer();
    await world.poll.ready();
    expect(world.set.refusal()).toBeNull();
    expect(world.set.state()).toMatchObject({ epoch: FEED_PAGE_SIZE + 1, entries: FEED_PAGE_SIZE + 1 });
  });
});

describe('wakes', () => {
  test('during a poll are answered by one more, which is sent after them, however many there are', async () => {
    await world.started();
    world.isAutomatic = false;
    const first = world.poll.wake();
    world.revoke('between');
    const rest = Promise.all([world.poll.wake(), world.poll.wake(), world.poll.wake()]);
    expect(world.asked).toHaveLength(1);
    world.asked[0]!.answer();
    await first;
    await turn();
    expect(world.isRevoked('between')).toBe(false);
    expect(world.asked).toHaveLength(2);
    world.asked[1]!.answer();
    await rest;
    expect(world.isRevoked('between')).toBe(true);
    expect(world.asked).toHaveLength(2);
  });

  test('by stream: what is known causes nothing, what is not causes a poll', async () => {
    world.revoke('known');
    await world.started();
    world.tellEntry({ epoch: '1' });
    world.tellEntry({ epoch: '0' });
    expect(world.asked).toHaveLength(0);
    world.revoke('told');
    world.tellEntry({ epoch: '2' });
    await turn();
    expect(world.asked).toHaveLength(1);
    expect(world.isRevoked('told')).toBe(true);
    world.tellEntry({ epoch: 'nonsense' });
    await turn();
    expect(world.asked).toHaveLength(2);
  });

  test('an announcement reads here first, then tells the epoch once; without Redis it is silent', async () => {
    await world.started();
    world.revoke('mine');
    world.poll.announce();
    world.poll.announce();
    await turn();
    await turn();
    expect(world.isRevoked('mine')).toBe(true);
    expect(world.appended).toEqual([`${REVOCATION_STREAM} 1`]);
    world.isRedisDown = true;
    world.revoke('alone');
    world.poll.announce();
    await turn();
    expect(world.isRevoked('alone')).toBe(true);
  });

  test('after close nothing is asked any more', async () => {
    await world.started();
    world.isAutomatic = false;
    const done = Promise.all([world.poll.wake(), world.poll.wake()]);
    const closing = world.poll.close();
    world.asked[0]!.answer();
    await Promise.all([done, closing]);
    expect(world.asked).toHaveLength(1);
  });
});

describe('versions', () => {
  test('are loaded at the first answer and whenever they differ, lower ones too', async () => {
    await world.started();
    expect(world.reloads.sort()).toEqual(['access', 'keys']);
    world.db.keysVersion = 7;
    await world.poll.wake();
    await turn();
    expect(world.reloads).toEqual(['access', 'keys', 'keys']);
    world.db.keysVersion = 3;
    await world.poll.wake();
    await turn();
    expect(world.reloads).toHaveLength(4);
    await world.poll.wake();
    await turn();
    expect(world.reloads).toHaveLength(4);
  });

  test('a reload that fails is tried again, and the copy is not ready before it has succeeded', async () => {
    world.failingReload = 'access';
    let isReady = false;
    world.poll.start();
    void world.poll.ready().then(() => {
      isReady = true;
    });
    await world.poll.wake();
    await turn();
    expect(isReady).toBe(false);
    world.failingReload = null;
    await world.poll.wake();
    await turn();
    expect(isReady).toBe(true);
  });
});

describe('clocks', () => {
  test('a leap of the database’s clock and back makes nothing forgotten; time that has passed does', async () => {
    world.revoke('held');
    await world.started();
    world.db.nowMs += 48 * HOUR_MS;
    await world.poll.wake();
    expect(world.isRevoked('held')).toBe(true);
    world.db.nowMs -= 48 * HOUR_MS;
    await world.poll.wake();
    expect(world.isRevoked('held')).toBe(true);
    world.db.nowMs += 2 * HOUR_MS;
    world.monotonicMs += 2 * HOUR_MS;
    await world.poll.wake();
    expect(world.isRevoked('held')).toBe(false);
  });
});
