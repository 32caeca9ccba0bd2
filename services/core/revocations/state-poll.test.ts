import { describe, expect, test } from 'vitest';
import { openedEach } from '#tools/testing/opened.ts';
import { REVOCATION_STREAM } from './revocation-news.cache.ts';
import { FEED_PAGE_SIZE } from './revocations.store.ts';
import { createPollHarness, turn } from './state-poll-harness.ts';

const HOUR_MS = 3_600_000;

const harness = openedEach(createPollHarness);

describe('age', () => {
  test('is measured from the time the query was sent, not from its answer', async () => {
    await harness.started();
    harness.isAutomatic = false;
    harness.monotonicMs = 10_000;
    const done = harness.poll.wake();
    harness.monotonicMs = 11_500;
    harness.asked[0]!.answer();
    await done;
    expect(harness.set.state().ageMs).toBe(1_500);
    expect(harness.confirmed.at(-1)).toMatchObject({
      sentAtMs: 10_000,
      keysVersion: 1,
      accessVersion: 1,
      incarnation: 'i1',
    });
    harness.monotonicMs = 12_001;
    expect(harness.set.refusal()).toBe('revocation_state_stale');
  });

  test('rises while the database fails, which is logged once, and ends with the first answer', async () => {
    await harness.started();
    harness.isAutomatic = false;
    for (let failure = 0; failure < 3; failure += 1) {
      harness.monotonicMs += 1_000;
      const done = harness.poll.wake();
      // After a failed poll the marks are read first.
      await turn();
      harness.asked.at(-1)!.answer(new Error('gone'));
      await done;
    }
    expect(harness.set.refusal()).toBe('revocation_state_stale');
    expect(harness.lines.filter((line) => line === 'revocations could not be read')).toHaveLength(1);
    harness.isAutomatic = true;
    await harness.poll.wake();
    expect(harness.set.refusal()).toBeNull();
    expect(harness.lines).toContain('revocations can be read again');
  });

  test('the answers of a standby do not count: the state becomes stale', async () => {
    await harness.started();
    harness.db.is_standby = true;
    harness.monotonicMs += 3_000;
    await harness.poll.wake();
    expect(harness.set.refusal()).toBe('revocation_state_stale');
  });

  test('a full page does not confirm the state, because more pages follow', async () => {
    for (let index = 0; index < FEED_PAGE_SIZE + 1; index += 1) harness.revoke(`j${index}`);
    harness.isAutomatic = false;
    harness.poll.start();
    await turn();
    harness.asked[0]!.answer();
    await turn();
    expect([harness.isRevoked('j0'), harness.set.refusal()]).toEqual([true, 'revocation_state_stale']);
    expect(harness.asked[1]!.since).toBe(FEED_PAGE_SIZE);
    harness.asked[1]!.answer();
    await harness.poll.ready();
    expect(harness.set.refusal()).toBeNull();
    expect(harness.set.state()).toMatchObject({ epoch: FEED_PAGE_SIZE + 1, entries: FEED_PAGE_SIZE + 1 });
  });
});

describe('wakes', () => {
  test('that come during a poll share one more, which is sent after them', async () => {
    await harness.started();
    harness.isAutomatic = false;
    const first = harness.poll.wake();
    harness.revoke('between');
    const rest = Promise.all([harness.poll.wake(), harness.poll.wake(), harness.poll.wake()]);
    expect(harness.asked).toHaveLength(1);
    harness.asked[0]!.answer();
    await first;
    await turn();
    expect(harness.isRevoked('between')).toBe(false);
    expect(harness.asked).toHaveLength(2);
    harness.asked[1]!.answer();
    await rest;
    expect(harness.isRevoked('between')).toBe(true);
    expect(harness.asked).toHaveLength(2);
  });

  test('from the stream cause a poll only for an epoch that this copy does not have', async () => {
    harness.revoke('known');
    await harness.started();
    harness.tellEntry({ epoch: '1' });
    harness.tellEntry({ epoch: '0' });
    expect(harness.asked).toHaveLength(0);
    harness.revoke('told');
    harness.tellEntry({ epoch: '2' });
    await turn();
    expect(harness.asked).toHaveLength(1);
    expect(harness.isRevoked('told')).toBe(true);
    harness.tellEntry({ epoch: 'nonsense' });
    await turn();
    expect(harness.asked).toHaveLength(2);
  });

  test('an announcement is read by this copy first, and then sent once; without Redis nothing is sent and nothing fails', async () => {
    await harness.started();
    harness.revoke('mine');
    harness.poll.announce();
    harness.poll.announce();
    await turn();
    await turn();
    expect([harness.isRevoked('mine'), harness.appended]).toEqual([true, [`${REVOCATION_STREAM} 1`]]);
    harness.isRedisDown = true;
    harness.revoke('alone');
    harness.poll.announce();
    await turn();
    expect(harness.isRevoked('alone')).toBe(true);
  });

  test('after close no query is sent', async () => {
    await harness.started();
    harness.isAutomatic = false;
    const done = Promise.all([harness.poll.wake(), harness.poll.wake()]);
    const closing = harness.poll.close();
    harness.asked[0]!.answer();
    await Promise.all([done, closing]);
    expect(harness.asked).toHaveLength(1);
  });
});

describe('versions', () => {
  test('are loaded at the first answer and whenever the version differs, even to a lower one', async () => {
    await harness.started();
    expect(harness.reloads.sort()).toEqual(['access', 'keys']);
    harness.db.keys_version = 7;
    await harness.poll.wake();
    await turn();
    expect(harness.reloads).toEqual(['access', 'keys', 'keys']);
    harness.db.keys_version = 3;
    await harness.poll.wake();
    await turn();
    expect(harness.reloads).toHaveLength(4);
    await harness.poll.wake();
    await turn();
    expect(harness.reloads).toHaveLength(4);
  });

  test('a failed reload is retried, and the copy is not ready before it has succeeded', async () => {
    harness.failingReload = 'access';
    let isReady = false;
    harness.poll.start();
    void harness.poll.ready().then(() => {
      isReady = true;
    });
    await harness.poll.wake();
    await turn();
    expect(isReady).toBe(false);
    harness.failingReload = null;
    await harness.poll.wake();
    await turn();
    expect(isReady).toBe(true);
  });
});

describe('clocks', () => {
  test('a database clock that jumps ahead and back removes no revocation; elapsed time does', async () => {
    harness.revoke('held');
    await harness.started();
    harness.db.now_ms += 48 * HOUR_MS;
    await harness.poll.wake();
    expect(harness.isRevoked('held')).toBe(true);
    harness.db.now_ms -= 48 * HOUR_MS;
    await harness.poll.wake();
    expect(harness.isRevoked('held')).toBe(true);
    harness.db.now_ms += 2 * HOUR_MS;
    harness.monotonicMs += 2 * HOUR_MS;
    await harness.poll.wake();
    expect(harness.isRevoked('held')).toBe(false);
  });
});

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
      expect([harness.isRevoked('of the backup'), harness.reloads.sort()]).toEqual([true, ['access', 'keys']]);
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
