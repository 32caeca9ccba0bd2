import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPollWorld, type PollWorld, turn } from '../../../platform/testing/worlds/poll-world.ts';

let world: PollWorld;
beforeEach(() => {
  world = createPollWorld();
});
afterEach(() => world.close());

describe('marks', () => {
  test('follow what was seen, and say nothing when nothing moved', async () => {
    await world.started();
    expect(world.stored).toEqual({ incarnation: 'i1', revocationEpoch: 0, beat: 1 });
    world.revoke('x');
    world.db.beat = 5;
    await world.poll.wake();
    await turn();
    expect(world.stored).toEqual({ incarnation: 'i1', revocationEpoch: 1, beat: 5 });
  });

  test('the beat is moved by who finds it due, once at a time', async () => {
    await world.started();
    expect(world.beats).toBe(0);
    world.db.isBeatDue = true;
    await world.poll.wake();
    await turn();
    expect(world.beats).toBe(1);
  });

  test('a beat that fails is told, makes nothing stale, and is tried again with the next answer', async () => {
    await world.started();
    world.db.isBeatDue = true;
    world.isBeatFailing = true;
    await world.poll.wake();
    await turn();
    expect([world.beats, world.lines.filter((line) => line === 'the feed could not be kept').length]).toEqual([1, 1]);
    expect(world.set.refusal()).toBeNull();
    world.isBeatFailing = false;
    await world.poll.wake();
    await turn();
    expect([world.beats, world.lines.filter((line) => line === 'the feed could not be kept').length]).toEqual([2, 1]);
  });

  test.each([
    ['fewer revocations', { revocationEpoch: 9, beat: 1 }],
    ['an older beat', { revocationEpoch: 0, beat: 2 }],
    ['another history', { incarnation: 'i0', revocationEpoch: 0, beat: 0 }],
  ])(
    'a database with %s than its marks is refused at the start, and read again once it is at them',
    async (_what, behind) => {
      world.stored = { incarnation: 'i1', ...behind };
      world.revoke('of the backup');
      world.db.epoch = 1;
      world.poll.start();
      await world.poll.ready();
      expect(world.set.refusal()).toBe('state_rewound');
      expect([world.set.state().entries, world.beats, world.reloads]).toEqual([0, 0, []]);
      await world.poll.wake();
      expect(world.lines.filter((line) => line.startsWith('state_rewound'))).toHaveLength(1);
      world.stored = { incarnation: 'i1', revocationEpoch: 1, beat: 1 };
      Object.assign(world.db, { epoch: 9, beat: 9, replaced: ['i0'] });
      await world.poll.wake();
      await turn();
      expect(world.set.refusal()).toBeNull();
      expect(world.isRevoked('of the backup')).toBe(true);
      expect(world.reloads.sort()).toEqual(['access', 'keys']);
    },
  );

  test('a database that goes back under a running copy is seen at the next poll, though the marks were lost', async () => {
    world.revoke('seen');
    await world.started();
    world.stored = null;
    world.db.epoch = 0;
    world.db.rows = [];
    await world.poll.wake();
    expect(world.set.refusal()).toBe('state_rewound');
  });

  test('what another process has marked counts from the next poll on', async () => {
    await world.started();
    world.stored = { incarnation: 'i1', revocationEpoch: 4, beat: 40 };
    world.db.beat = 2;
    await world.poll.wake();
    await turn();
    expect(world.set.refusal()).toBeNull();
    await world.poll.wake();
    expect(world.set.refusal()).toBe('state_rewound');
  });

  test('an answer that was under way while another process raised the marks is not behind them', async () => {
    await world.started();
    world.isAutomatic = false;
    let raised: () => void = () => {};
    const working = world.marks.raise;
    world.marks.raise = async (next) => {
      await new Promise<void>((resolve) => {
        raised = resolve;
      });
      return working(next);
    };
    world.db.beat = 2;
    const first = world.poll.wake();
    world.asked[0]!.answer();
    await first;
    const second = world.poll.wake();
    await turn();
    // Sent, and seeing beat 2, when another process sees 3 and marks it.
    world.stored = { incarnation: 'i1', revocationEpoch: 0, beat: 3 };
    world.marks.raise = working;
    raised();
    await turn();
    world.asked[1]!.answer();
    await second;
    expect(world.set.refusal()).toBeNull();
    // The next one is sent after it, and still shows 2: that is behind.
    world.isAutomatic = true;
    await world.poll.wake();
    expect(world.set.refusal()).toBe('state_rewound');
  });

  test('an accepted loss begins a new incarnation: everything is read anew, keys and access too', async () => {
    world.revoke('old');
    await world.started();
    world.reloads.length = 0;
    Object.assign(world.db, { incarnation: 'i2', replaced: ['i1'], rows: [], epoch: 1 });
    world.revoke('new');
    await world.poll.wake();
    await turn();
    expect(world.set.state()).toMatchObject({ incarnation: 'i2', epoch: 2, entries: 1, rewound: false });
    expect([world.isRevoked('old'), world.isRevoked('new')]).toEqual([false, true]);
    expect(world.reloads.sort()).toEqual(['access', 'keys']);
    expect(world.stored).toMatchObject({ incarnation: 'i2' });
  });

  test('a new empty database takes over marks of another; one with a history does not', async () => {
    world.stored = { incarnation: 'i0', revocationEpoch: 3, beat: 30 };
    world.db.isUnused = true;
    await world.started();
    expect(world.set.refusal()).toBeNull();
    expect(world.stored).toMatchObject({ incarnation: 'i1' });
  });

  test('marks that cannot be read judge nothing: the copy is not ready and not fresh', async () => {
    const broken = world.marks.read;
    world.marks.read = () => Promise.reject(new Error('unreadable'));
    world.poll.start();
    await world.poll.wake();
    expect(world.set.refusal()).toBe('revocation_state_stale');
    world.marks.read = broken;
    await world.poll.wake();
    expect(world.set.refusal()).toBeNull();
  });

  test('marks that cannot be raised are said once, and the copy goes on; that they are raised again is said, too', async () => {
    await world.started();
    const working = world.marks.raise;
    world.marks.raise = () => Promise.reject(new Error('disk full'));
    const beatOn = async (): Promise<string[]> => {
      world.db.beat += 1;
      await world.poll.wake();
      await turn();
      return world.lines.filter((line) => line.startsWith('marks'));
    };
    await beatOn();
    expect(await beatOn()).toEqual([expect.stringMatching(/^marks could not be raised/)]);
    expect(world.set.refusal()).toBeNull();
    world.marks.raise = working;
    expect((await beatOn()).slice(1)).toEqual(['marks are raised again']);
  });
});
