// For tests only: a state poll with a fake database, mark store, Redis and clocks, which the test controls.

import type { Log, MarkStore, Marks, Redis, Row, Sql } from '#services/core/ports.ts';
import type { Statement } from '#services/platform/define/statement.ts';
import { createPolledGuard, type PolledGuard } from './database-guard.ts';
import type { ConfirmedState } from './feed-reader.ts';
import { createRevocationSet, type RevocationMemory } from './revocation-set.ts';
import { FEED_PAGE_SIZE } from './revocations.store.ts';
import { createStatePoll, type StatePoll } from './state-poll.ts';

/** A fake database: the test decides when and what it answers, or that it fails. */
type Database = {
  incarnation: string;
  replaced: string[];
  epoch: number;
  keys_version: number;
  access_version: number;
  beat: number;
  is_beat_due: boolean;
  is_standby: boolean;
  now_ms: number;
  rows: [number, string, string, number | null, string, null, null, number, number][];
  is_unused: boolean;
};

export type PollHarness = {
  readonly db: Database;
  monotonicMs: number;
  /** The queries in flight, which the test answers unless the database answers by itself. */
  readonly asked: { since: number; answer: (failure?: Error) => void }[];
  isAutomatic: boolean;
  /** Messages that were logged. */
  readonly lines: string[];
  /** The fake mark store. */
  stored: Marks | null;
  readonly marks: MarkStore;
  /** Notifications that were sent to other copies. */
  readonly appended: string[];
  isRedisDown: boolean;
  beats: number;
  isBeatFailing: boolean;
  readonly reloads: string[];
  failingReload: string | null;
  readonly confirmed: ConfirmedState[];
  readonly set: RevocationMemory;
  readonly databaseGuard: PolledGuard;
  readonly poll: StatePoll;
  /** Simulates a notification of another copy through Redis. */
  tellEntry(fields: Record<string, string>): void;
  revoke(jti: string): void;
  isRevoked(jti: string): boolean;
  /** Starts the poll and answers its first query, which `asked` leaves out. */
  started(): Promise<void>;
  close(): Promise<void>;
};

const HOUR_MS = 3_600_000;
const START_MS = 1_700_000_000_000;

/** Lets every promise settle that waits only for answers that have arrived. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Opens the harness of one test. */
export function createPollHarness(): PollHarness {
  const db: Database = {
    incarnation: 'i1',
    replaced: [],
    epoch: 0,
    keys_version: 1,
    access_version: 1,
    beat: 1,
    is_beat_due: false,
    is_standby: false,
    now_ms: START_MS,
    rows: [],
    is_unused: false,
  };
  const lines: string[] = [];
  const say = (_fields: object, message: string): void => void lines.push(message);
  const log: Log = { debug: say, info: say, warn: say, error: say };
  const clock = { now: () => START_MS, monotonic: () => harness.monotonicMs };
  const pollSql: Sql = {
    query: <R = Row>(statement: Statement, values: readonly unknown[] = []): Promise<R[]> => {
      if (statement.name === 'revocationDatabaseIsUnused') return Promise.resolve([{ is_unused: db.is_unused } as R]);
      const since = values[0] as number;
      return new Promise((resolve, reject) => {
        // A statement reads the state at the time it is sent.
        const { rows, is_unused: _, ...state } = structuredClone(db);
        const page = rows.filter(([epoch]) => epoch > since).slice(0, FEED_PAGE_SIZE);
        const answer = (failure?: Error): void =>
          failure ? reject(failure) : resolve([{ ...state, rows: page } as R]);
        harness.asked.push({ since, answer });
        if (harness.isAutomatic) answer();
      });
    },
  };
  const sql: Sql = {
    query: async () => {
      harness.beats += 1;
      if (harness.isBeatFailing) throw new Error('no room');
      return [];
    },
  };
  const marks: MarkStore = {
    read: async () => harness.stored,
    raise: async (next, replaced = []) => {
      let kept = harness.stored;
      if (kept === null || replaced.includes(kept.incarnation)) kept = next;
      else if (kept.incarnation === next.incarnation)
        kept = {
          incarnation: next.incarnation,
          revocationEpoch: Math.max(kept.revocationEpoch, next.revocationEpoch),
          beat: Math.max(kept.beat, next.beat),
        };
      harness.stored = kept;
      return kept;
    },
  };
  let onEntry: PollHarness['tellEntry'] = () => {};
  const redis = {
    append: async (stream: string, fields: Record<string, string>) => {
      if (harness.isRedisDown) throw new Error('no redis');
      harness.appended.push(`${stream} ${fields.epoch}`);
    },
    follow: (_stream: string, listener: typeof onEntry) => {
      onEntry = listener;
      return async () => {};
    },
  } as unknown as Redis;
  const reload = (what: string) => async (): Promise<void> => {
    harness.reloads.push(what);
    if (harness.failingReload === what) throw new Error('not now');
  };
  const databaseGuard = createPolledGuard();
  const set = createRevocationSet({ clock, log, stalenessBoundMs: 2_000, budget: 1_000, databaseGuard });
  const poll = createStatePoll({
    sql,
    redis,
    clock,
    log,
    marks,
    pollSql,
    revocations: set,
    databaseGuard,
    pollIntervalMs: 1_000_000,
    onKeysVersion: reload('keys'),
    onAccessVersion: reload('access'),
    onConfirmed: (state) => harness.confirmed.push(state),
  });
  const harness: PollHarness = {
    db,
    monotonicMs: 1_000,
    asked: [],
    isAutomatic: true,
    lines,
    stored: null,
    marks,
    appended: [],
    isRedisDown: false,
    beats: 0,
    isBeatFailing: false,
    reloads: [],
    failingReload: null,
    confirmed: [],
    set,
    databaseGuard,
    poll,
    tellEntry: (fields) => onEntry(fields),
    revoke(jti) {
      db.epoch += 1;
      db.rows.push([db.epoch, 'jti', jti, null, 'test', null, null, db.now_ms + HOUR_MS, db.now_ms]);
    },
    isRevoked: (jti) => set.check({ jti, sub: 'u', client_id: 'c', ue: 0, ce: 0 }) === 'revoked',
    async started() {
      poll.start();
      await poll.ready();
      await turn();
      harness.asked.length = 0;
    },
    close() {
      harness.isAutomatic = true;
      for (const { answer } of harness.asked) answer();
      return poll.close();
    },
  };
  return harness;
}
