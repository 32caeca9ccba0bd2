import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPollHarness, type PollHarness, turn } from './state-poll-harness.ts';

let harness: PollHarness;
beforeEach(() => {
  harness = createPollHarness();
});
afterEach(() => harness.close());

describe('marks', () => {
  test('follow the state that was read, and are not written again when it has not changed', async () => {
    await harness.started();
    expect(harness.stored).toEqual({ incarnation: 'i1', revocationEpoch: 0, beat: 1 });
    harness.revoke('x');
    harness.db.beat = 5;
    await harness.poll.wake();
    await turn();
    expect(harness.stored).toEqual({ incarnation: 'i1', revocationEpoch: 1, beat: 5 });
  });

  test('a copy that finds the beat due advances it, once at a time', async () => {
    await harness.started();
    expect(harness.beats).toBe(0);
    harness.db.is_beat_due = true;
    await harness.poll.wake();
    await turn();
    expect(harness.beats).toBe(1);
  });

  test('a failed beat is logged, makes nothing stale, and is retried with the next answer', async () => {
    await harness.started();
    harness.db.is_beat_due = true;
    harness.isBeatFailing = true;
    await harness.poll.wake();
    await turn();
    expect([
      harness.beats,
      harness.lines.filter((line) => line === 'beat or maintenance of the revocation feed failed').length,
    ]).toEqual([1, 1]);
    expect(harness.set.refusal()).toBeNull();
    harness.isBeatFailing = false;
    await harness.poll.wake();
    await turn();
    expect([
      harness.beats,
      harness.lines.filter((line) => line === 'beat or maintenance of the revocation feed failed').length,
    ]).toEqual([2, 1]);
  });

  test.each([
    ['fewer revocations', { revocationEpoch: 9, beat: 1 }],
    ['an older beat', { revocationEpoch: 0, beat: 2 }],
    ['another history', { incarnation: 'i0', revocationEpoch: 0, beat: 0 }],
  ])(
    'a database with %s than its marks is refused at start, and read again once it has reached them',
    async (_what, behind) => {
      harness.stored = { incarnation: 'i1', ...behind };
      harness.revoke('of the backup');
      harness.db.epoch = 1;
      harness.poll.start();
      await harness.poll.ready();
      expect(harness.set.refusal()).toBe('state_rewound');
      expect([harness.set.state().entries, harness.beats, harness.reloads]).toEqual([0, 0, []]);
      await harness.poll.wake();
      expect(harness.lines.filter((line) => line.startsWith('state_rewound'))).toHaveLength(1);
      harness.stored = { incarnation: 'i1', revocationEpoch: 1, beat: 1 };
      Object.assign(harness.db, { epoch: 9, beat: 9, replaced: ['i0'] });
      await harness.poll.wake();
      await turn();
      expect(harness.set.refusal()).toBeNull();
      expect(harness.isRevoked('of the backup')).toBe(true);
      expect(harness.reloads.sort()).toEqual(['access', 'keys']);
    },
  );

  test('a database that is rewound under a running copy is noticed at the next poll, even if the marks were lost', async () => {
    harness.revoke('seen');
    await harness.started();
    harness.stored = null;
    harness.db.epoch = 0;
    harness.db.rows = [];
    await harness.poll.wake();
    expect(harness.set.refusal()).toBe('state_rewound');
  });

  test('marks that another process raised apply from the next poll on', async () => {
    await harness.started();
    harness.stored = { incarnation: 'i1', revocationEpoch: 4, beat: 40 };
    harness.db.beat = 2;
    await harness.poll.wake();
    await turn();
    expect(harness.set.refusal()).toBeNull();
    await harness.poll.wake();
    expect(harness.set.refusal()).toBe('state_rewound');
  });

  test('an answer in flight while another process raises the marks is not rewound', async () => {
    await harness.started();
    harness.isAutomatic = false;
    let raised: () => void = () => {};
    const working = harness.marks.raise;
    harness.marks.raise = async (next) => {
      await new Promise<void>((resolve) => {
        raised = resolve;
      });
      return working(next);
    };
    harness.db.beat = 2;
    const first = harness.poll.wake();
    harness.asked[0]!.answer();
    await first;
    const second = harness.poll.wake();
    await turn();
    // This query has read beat 2 when another process reads 3 and raises the mark.
    harness.stored = { incarnation: 'i1', revocationEpoch: 0, beat: 3 };
    harness.marks.raise = working;
    raised();
    await turn();
    harness.asked[1]!.answer();
    await second;
    expect(harness.set.refusal()).toBeNull();
    // The next query is sent afterwards and still returns 2, so the database is behind.
    harness.isAutomatic = true;
    await harness.poll.wake();
    expect(harness.set.refusal()).toBe('state_rewound');
  });

  test('an accepted loss begins a new incarnation: everything is read again, with keys, roles and clients', async () => {
    harness.revoke('old');
    await harness.started();
    harness.reloads.length = 0;
    Object.assign(harness.db, { incarnation: 'i2', replaced: ['i1'], rows: [], epoch: 1 });
    harness.revoke('new');
    await harness.poll.wake();
    await turn();
    expect(harness.set.state()).toMatchObject({ incarnation: 'i2', epoch: 2, entries: 1, rewound: false });
    expect([harness.isRevoked('old'), harness.isRevoked('new')]).toEqual([false, true]);
    expect(harness.reloads.sort()).toEqual(['access', 'keys']);
    expect(harness.stored).toMatchObject({ incarnation: 'i2' });
  });

  test('a new empty database replaces the marks of another; a used one does not', async () => {
    harness.stored = { incarnation: 'i0', revocationEpoch: 3, beat: 30 };
    harness.db.is_unused = true;
    await harness.started();
    expect(harness.set.refusal()).toBeNull();
    expect(harness.stored).toMatchObject({ incarnation: 'i1' });
  });

  test('while marks cannot be read at start, the copy is neither ready nor fresh', async () => {
    const broken = harness.marks.read;
    harness.marks.read = () => Promise.reject(new Error('unreadable'));
    harness.poll.start();
    await harness.poll.wake();
    expect(harness.set.refusal()).toBe('revocation_state_stale');
    harness.marks.read = broken;
    await harness.poll.wake();
    expect(harness.set.refusal()).toBeNull();
  });

  test('a failure to write marks is logged once, and so is its end; the copy continues to work', async () => {
    await harness.started();
    const working = harness.marks.raise;
    harness.marks.raise = () => Promise.reject(new Error('disk full'));
    const beatOn = async (): Promise<string[]> => {
      harness.db.beat += 1;
      await harness.poll.wake();
      await turn();
      return harness.lines.filter((line) => line.startsWith('high-water marks'));
    };
    await beatOn();
    expect(await beatOn()).toEqual([expect.stringMatching(/^high-water marks could not be written/)]);
    expect(harness.set.refusal()).toBeNull();
    harness.marks.raise = working;
    expect((await beatOn()).slice(1)).toEqual(['high-water marks are written again']);
  });
});
