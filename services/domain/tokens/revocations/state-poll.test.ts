import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Statement } from '../../../platform/define/statement.ts';
import type { Log, MarkStore, Marks, Redis, Row, Sql } from '../../ports.ts';
import { REVOCATION_STREAM } from './revocation-news.cache.ts';
import { createRevocationSet, type RevocationMemory } from './revocation-set.ts';
import { FEED_PAGE_SIZE } from './revocations.store.ts';
import { type ConfirmedState, createStatePoll, type StatePoll } from './state-poll.ts';

/** The database as the poll sees it, answered by hand: when, with what, or not at all. */
type Database = {
  incarnation: string;
  replaced: string[];
  epoch: number;
  keysVersion: number;
  accessVersion: number;
  beat: number;
  isBeatDue: boolean;
  isStandby: boolean;
  nowMs: number;
  rows: [number, string, string, number | null, string, null, null, number, number][];
  isUnused: boolean;
};

const HOUR_MS = 3_600_000;
let db: Database;
let monotonicMs: number;
let wallMs: number;
let asked: { since: number; answer: (failure?: Error) => void }[];
let isAutomatic: boolean;
let lines: string[];
let stored: Marks | null;
let appended: string[];
let onEntry: (fields: Record<string, string>) => void;
let isRedisDown: boolean;
let beats: number;
let isBeatFailing: boolean;
let reloads: string[];
let failingReload: string | null;
let confirmed: ConfirmedState[];
let set: RevocationMemory;
let poll: StatePoll;

const clock = { now: () => wallMs, monotonic: () => monotonicMs };
const say = (_fields: object, message: string): void => void lines.push(message);
const log: Log = { debug: say, info: say, warn: say, error: say };

const pollSql: Sql = {
  query: <R = Row>(statement: Statement, values: readonly unknown[] = []): Promise<R[]> => {
    if (statement.name === 'revocationDatabaseIsUnused') return Promise.resolve([{ isUnused: db.isUnused } as R]);
    const since = values[0] as number;
    return new Promise((resolve, reject) => {
      // What a statement sees is fixed when it is sent.
      const { rows, isUnused: _, ...state } = structuredClone(db);
      const page = rows.filter(([epoch]) => epoch > since).slice(0, FEED_PAGE_SIZE);
      const answer = (failure?: Error): void => (failure ? reject(failure) : resolve([{ ...state, rows: page } as R]));
      asked.push({ since, answer });
      if (isAutomatic) answer();
    });
  },
};
const sql: Sql = {
  query: async () => {
    beats += 1;
    if (isBeatFailing) throw new Error('no room');
    return [];
  },
};
let marks: MarkStore;
const workingMarks: MarkStore = {
  read: async () => stored,
  raise: async (next, replaced = []) => {
    if (stored === null || replaced.includes(stored.incarnation)) stored = next;
    else if (stored.incarnation === next.incarnation)
      stored = {
        incarnation: next.incarnation,
        revocationEpoch: Math.max(stored.revocationEpoch, next.revocationEpoch),
        beat: Math.max(stored.beat, next.beat),
      };
    return stored;
  },
};
const redis = {
  append: async (stream: string, fields: Record<string, string>) => {
    if (isRedisDown) throw new Error('no redis');
    appended.push(`${stream} ${fields.epoch}`);
  },
  follow: (_stream: string, listener: typeof onEntry) => {
    onEntry = listener;
    return async () => {};
  },
} as unknown as Redis;

function make(): void {
  set = createRevocationSet({ clock, log, stalenessBoundMs: 2_000, budget: 1_000 });
  const reload = (what: string) => async (): Promise<void> => {
    reloads.push(what);
    if (failingReload === what) throw new Error('not now');
  };
  poll = createStatePoll({
    sql,
    redis,
    clock,
    log,
    marks,
    pollSql,
    revocations: set,
    pollIntervalMs: 1_000_000,
    onKeysVersion: reload('keys'),
    onAccessVersion: reload('access'),
    onConfirmed: (state) => confirmed.push(state),
  });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const revoke = (value: string): void => {
  db.epoch += 1;
  db.rows.push([db.epoch, 'jti', value, null, 'test', null, null, db.nowMs + HOUR_MS, db.nowMs]);
};
const isRevoked = (jti: string): boolean => set.check({ jti, sub: 'u', client_id: 'c', ue: 0, ce: 0 }) === 'revoked';
async function started(): Promise<void> {
  poll.start();
  await poll.ready();
  await turn();
  asked.length = 0;
}

beforeEach(() => {
  db = {
    incarnation: 'i1',
    replaced: [],
    epoch: 0,
    keysVersion: 1,
    accessVersion: 1,
    beat: 1,
    isBeatDue: false,
    isStandby: false,
    nowMs: 1_700_000_000_000,
    rows: [],
    isUnused: false,
  };
  monotonicMs = 1_000;
  wallMs = 1_700_000_000_000;
  asked = [];
  isAutomatic = true;
  lines = [];
  stored = null;
  appended = [];
  isRedisDown = false;
  beats = 0;
  isBeatFailing = false;
  reloads = [];
  failingReload = null;
  confirmed = [];
  marks = { ...workingMarks };
  make();
});
afterEach(() => {
  isAutomatic = true;
  for (const { answer } of asked) answer();
  return poll.close();
});

describe('age', () => {
  test('counts from the moment the statement was sent, not from its answer', async () => {
    await started();
    isAutomatic = false;
    monotonicMs = 10_000;
    const done = poll.wake();
    monotonicMs = 11_500;
    asked[0]!.answer();
    await done;
    expect(set.state().ageMs).toBe(1_500);
    expect(confirmed.at(-1)).toMatchObject({ sentAtMs: 10_000, keysVersion: 1, accessVersion: 1, incarnation: 'i1' });
    monotonicMs = 12_001;
    expect(set.refusal()).toBe('revocation_state_stale');
  });

  test('goes on while the database fails, says so once, and recovers with the first answer', async () => {
    await started();
    isAutomatic = false;
    for (let failure = 0; failure < 3; failure += 1) {
      monotonicMs += 1_000;
      const done = poll.wake();
      asked.at(-1)!.answer(new Error('gone'));
      await done;
    }
    expect(set.refusal()).toBe('revocation_state_stale');
    expect(lines.filter((line) => line === 'revocations could not be read')).toHaveLength(1);
    isAutomatic = true;
    await poll.wake();
    expect(set.refusal()).toBeNull();
    expect(lines).toContain('revocations are read again');
  });

  test('a standby is no source: however often it answers, the state grows stale', async () => {
    await started();
    db.isStandby = true;
    monotonicMs += 3_000;
    await poll.wake();
    expect(set.refusal()).toBe('revocation_state_stale');
  });

  test('a page that is full confirms nothing: only the last one is complete', async () => {
    for (let index = 0; index < FEED_PAGE_SIZE + 1; index += 1) revoke(`j${index}`);
    isAutomatic = false;
    poll.start();
    await turn();
    asked[0]!.answer();
    await turn();
    expect(isRevoked('j0')).toBe(true);
    expect(set.refusal()).toBe('revocation_state_stale');
    expect(asked[1]!.since).toBe(FEED_PAGE_SIZE);
    asked[1]!.answer();
    await poll.ready();
    expect(set.refusal()).toBeNull();
    expect(set.state()).toMatchObject({ epoch: FEED_PAGE_SIZE + 1, entries: FEED_PAGE_SIZE + 1 });
  });
});

describe('wakes', () => {
  test('during a poll are answered by one more, which is sent after them, however many there are', async () => {
    await started();
    isAutomatic = false;
    const first = poll.wake();
    revoke('between');
    const rest = Promise.all([poll.wake(), poll.wake(), poll.wake()]);
    expect(asked).toHaveLength(1);
    asked[0]!.answer();
    await first;
    await turn();
    expect(isRevoked('between')).toBe(false);
    expect(asked).toHaveLength(2);
    asked[1]!.answer();
    await rest;
    expect(isRevoked('between')).toBe(true);
    expect(asked).toHaveLength(2);
  });

  test('by stream: what is known causes nothing, what is not causes a poll', async () => {
    revoke('known');
    await started();
    onEntry({ epoch: '1' });
    onEntry({ epoch: '0' });
    expect(asked).toHaveLength(0);
    revoke('told');
    onEntry({ epoch: '2' });
    await turn();
    expect(asked).toHaveLength(1);
    expect(isRevoked('told')).toBe(true);
    onEntry({ epoch: 'nonsense' });
    await turn();
    expect(asked).toHaveLength(2);
  });

  test('an announcement reads here first, then tells the epoch once; without Redis it is silent', async () => {
    await started();
    revoke('mine');
    poll.announce();
    poll.announce();
    await turn();
    await turn();
    expect(isRevoked('mine')).toBe(true);
    expect(appended).toEqual([`${REVOCATION_STREAM} 1`]);
    isRedisDown = true;
    revoke('alone');
    poll.announce();
    await turn();
    expect(isRevoked('alone')).toBe(true);
  });

  test('after close nothing is asked any more', async () => {
    await started();
    isAutomatic = false;
    const done = Promise.all([poll.wake(), poll.wake()]);
    const closing = poll.close();
    asked[0]!.answer();
    await Promise.all([done, closing]);
    expect(asked).toHaveLength(1);
  });
});

describe('versions', () => {
  test('are loaded at the first answer and whenever they differ, lower ones too', async () => {
    await started();
    expect(reloads.sort()).toEqual(['access', 'keys']);
    db.keysVersion = 7;
    await poll.wake();
    await turn();
    expect(reloads).toEqual(['access', 'keys', 'keys']);
    db.keysVersion = 3;
    await poll.wake();
    await turn();
    expect(reloads).toHaveLength(4);
    await poll.wake();
    await turn();
    expect(reloads).toHaveLength(4);
  });

  test('a reload that fails is tried again, and the copy is not ready before it has succeeded', async () => {
    failingReload = 'access';
    let isReady = false;
    poll.start();
    void poll.ready().then(() => {
      isReady = true;
    });
    await poll.wake();
    await turn();
    expect(isReady).toBe(false);
    failingReload = null;
    await poll.wake();
    await turn();
    expect(isReady).toBe(true);
  });
});

describe('clocks', () => {
  test('a leap of the database’s clock and back makes nothing forgotten; time that has passed does', async () => {
    revoke('held');
    await started();
    db.nowMs += 48 * HOUR_MS;
    await poll.wake();
    expect(isRevoked('held')).toBe(true);
    db.nowMs -= 48 * HOUR_MS;
    await poll.wake();
    expect(isRevoked('held')).toBe(true);
    db.nowMs += 2 * HOUR_MS;
    monotonicMs += 2 * HOUR_MS;
    await poll.wake();
    expect(isRevoked('held')).toBe(false);
  });
});

describe('marks', () => {
  test('follow what was seen, and say nothing when nothing moved', async () => {
    await started();
    expect(stored).toEqual({ incarnation: 'i1', revocationEpoch: 0, beat: 1 });
    revoke('x');
    db.beat = 5;
    await poll.wake();
    await turn();
    expect(stored).toEqual({ incarnation: 'i1', revocationEpoch: 1, beat: 5 });
  });

  test('the beat is moved by who finds it due, once at a time', async () => {
    await started();
    expect(beats).toBe(0);
    db.isBeatDue = true;
    await poll.wake();
    await turn();
    expect(beats).toBe(1);
  });

  test('a beat that fails is told, makes nothing stale, and is tried again with the next answer', async () => {
    await started();
    db.isBeatDue = true;
    isBeatFailing = true;
    await poll.wake();
    await turn();
    expect([beats, lines.filter((line) => line === 'the feed could not be kept').length]).toEqual([1, 1]);
    expect(set.refusal()).toBeNull();
    isBeatFailing = false;
    await poll.wake();
    await turn();
    expect([beats, lines.filter((line) => line === 'the feed could not be kept').length]).toEqual([2, 1]);
  });

  test.each([
    ['fewer revocations', { revocationEpoch: 9, beat: 1 }],
    ['an older beat', { revocationEpoch: 0, beat: 2 }],
    ['another history', { incarnation: 'i0', revocationEpoch: 0, beat: 0 }],
  ])(
    'a database with %s than its marks is refused at the start, and read again once it is at them',
    async (_what, behind) => {
      stored = { incarnation: 'i1', ...behind };
      revoke('of the backup');
      db.epoch = 1;
      poll.start();
      await poll.ready();
      expect(set.refusal()).toBe('state_rewound');
      expect([set.state().entries, beats, reloads]).toEqual([0, 0, []]);
      await poll.wake();
      expect(lines.filter((line) => line.startsWith('state_rewound'))).toHaveLength(1);
      stored = { incarnation: 'i1', revocationEpoch: 1, beat: 1 };
      Object.assign(db, { epoch: 9, beat: 9, replaced: ['i0'] });
      await poll.wake();
      await turn();
      expect(set.refusal()).toBeNull();
      expect(isRevoked('of the backup')).toBe(true);
      expect(reloads.sort()).toEqual(['access', 'keys']);
    },
  );

  test('a database that goes back under a running copy is seen at the next poll, though the marks were lost', async () => {
    revoke('seen');
    await started();
    stored = null;
    db.epoch = 0;
    db.rows = [];
    await poll.wake();
    expect(set.refusal()).toBe('state_rewound');
  });

  test('what another process has marked counts from the next poll on', async () => {
    await started();
    stored = { incarnation: 'i1', revocationEpoch: 4, beat: 40 };
    db.beat = 2;
    await poll.wake();
    await turn();
    expect(set.refusal()).toBeNull();
    await poll.wake();
    expect(set.refusal()).toBe('state_rewound');
  });

  test('an answer that was under way while another process raised the marks is not behind them', async () => {
    await started();
    isAutomatic = false;
    let raised: () => void = () => {};
    const working = marks.raise;
    marks.raise = async (next) => {
      await new Promise<void>((resolve) => {
        raised = resolve;
      });
      return working(next);
    };
    db.beat = 2;
    const first = poll.wake();
    asked[0]!.answer();
    await first;
    const second = poll.wake();
    await turn();
    // Sent, and seeing beat 2, when another process sees 3 and marks it.
    stored = { incarnation: 'i1', revocationEpoch: 0, beat: 3 };
    marks.raise = working;
    raised();
    await turn();
    asked[1]!.answer();
    await second;
    expect(set.refusal()).toBeNull();
    // The next one is sent after it, and still shows 2: that is behind.
    isAutomatic = true;
    await poll.wake();
    expect(set.refusal()).toBe('state_rewound');
  });

  test('an accepted loss begins a new incarnation: everything is read anew, keys and access too', async () => {
    revoke('old');
    await started();
    reloads.length = 0;
    Object.assign(db, { incarnation: 'i2', replaced: ['i1'], rows: [], epoch: 1 });
    revoke('new');
    await poll.wake();
    await turn();
    expect(set.state()).toMatchObject({ incarnation: 'i2', epoch: 2, entries: 1, rewound: false });
    expect([isRevoked('old'), isRevoked('new')]).toEqual([false, true]);
    expect(reloads.sort()).toEqual(['access', 'keys']);
    expect(stored).toMatchObject({ incarnation: 'i2' });
  });

  test('a new empty database takes over marks of another; one with a history does not', async () => {
    stored = { incarnation: 'i0', revocationEpoch: 3, beat: 30 };
    db.isUnused = true;
    await started();
    expect(set.refusal()).toBeNull();
    expect(stored).toMatchObject({ incarnation: 'i1' });
  });

  test('marks that cannot be read judge nothing: the copy is not ready and not fresh', async () => {
    const broken = marks.read;
    marks.read = () => Promise.reject(new Error('unreadable'));
    make();
    poll.start();
    await poll.wake();
    expect(set.refusal()).toBe('revocation_state_stale');
    marks.read = broken;
    await poll.wake();
    expect(set.refusal()).toBeNull();
  });

  test('marks that cannot be raised are said, and the copy goes on', async () => {
    await started();
    const working = marks.raise;
    marks.raise = () => Promise.reject(new Error('disk full'));
    db.beat = 9;
    await poll.wake();
    await turn();
    marks.raise = working;
    expect(lines.some((line) => line.startsWith('marks could not be raised'))).toBe(true);
    expect(set.refusal()).toBeNull();
  });
});
