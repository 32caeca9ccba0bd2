import type { Log, MarkStore, Redis, Sql, Transact } from '#services/core/ports.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { createSql, createTransact } from '#services/platform/postgres/pool.ts';
import { connectRedis, type RedisConnection } from '#services/platform/redis/redis.ts';
import { createPatientPool, PATIENCE_MS } from '#tools/testing/harness/ports.ts';
import { createPolledGuard } from './database-guard.ts';
import type { RevocationEntry } from './revocation-log.ts';
import { createRevocationSet, type RevocationMemory } from './revocation-set.ts';
import { createStatePoll, type StatePoll } from './state-poll.ts';

type LogLine = { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly message: string };

/** The state in memory of one of several API copies, on a real database. */
export type StateCopy = {
  readonly revocations: RevocationMemory;
  readonly poll: StatePoll;
  readonly sql: Sql;
  readonly transact: Transact;
  readonly redis: RedisConnection;
  /** Every entry that the poll applied, in order. */
  readonly applied: RevocationEntry[];
  readonly lines: LogLine[];
  readonly reloads: { keys: number; access: number };
  close(): Promise<void>;
};

type StateCopyOptions = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly marks: MarkStore;
  readonly pollIntervalMs?: number;
  readonly stalenessBoundMs?: number;
  readonly budget?: number;
  readonly onBeat?: (copy: { readonly sql: Sql; readonly transact: Transact }) => Promise<unknown>;
};

/** Opens and starts a copy. Await `poll.ready()` for its first answer. */
export function openStateCopy(options: StateCopyOptions): StateCopy {
  const { databaseUrl: url, marks, pollIntervalMs = 250, stalenessBoundMs = 2_000, budget = 1_000_000 } = options;
  const lines: LogLine[] = [];
  const at =
    (level: LogLine['level']) =>
    (_fields: object, message: string): void =>
      void lines.push({ level, message });
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const shared = { url, applicationName: 'state-copy', onLost: () => databaseGuard.doubt() };
  // A long timeout, so that a poll that a test requests has been answered when it resolves.
  const databaseGuard = createPolledGuard();
  const pollPool = createPatientPool({ ...shared, connections: 1, genericPlans: true });
  const pool = createPatientPool({ ...shared, connections: 24 });
  const sql = createSql(pool, databaseGuard);
  const transact = createTransact(
    pool,
    (err) => {
      throw err;
    },
    databaseGuard,
  );
  const redis = connectRedis(options.redisUrl, () => {}, PATIENCE_MS);
  const applied: RevocationEntry[] = [];
  const set = createRevocationSet({ clock: systemClock, log, stalenessBoundMs, budget, databaseGuard });
  const revocations: RevocationMemory = {
    ...set,
    apply: (entries) => {
      applied.push(...entries);
      set.apply(entries);
    },
  };
  const reloads = { keys: 0, access: 0 };
  const { onBeat } = options;
  const poll = createStatePoll({
    sql,
    redis: redis satisfies Redis,
    clock: systemClock,
    log,
    marks,
    pollSql: createSql(pollPool),
    revocations,
    databaseGuard,
    pollIntervalMs,
    onKeysVersion: async () => {
      reloads.keys += 1;
    },
    onAccessVersion: async () => {
      reloads.access += 1;
    },
    ...(onBeat ? { onBeat: () => onBeat({ sql, transact }) } : {}),
  });
  poll.start();
  return {
    revocations,
    poll,
    sql,
    transact,
    redis,
    applied,
    lines,
    reloads,
    close: async () => {
      await poll.close();
      await redis.close();
      await Promise.all([pool.end(), pollPool.end()]);
    },
  };
}

type StateCopies = {
  /** Opens another copy on the shared stores, without waiting for its state. */
  start(options?: Partial<StateCopyOptions>): StateCopy;
  /** The same, but resolves when its state is known. */
  open(options?: Partial<StateCopyOptions>): Promise<StateCopy>;
  /** Closes every copy. */
  close(): Promise<void>;
};

/** The copies of one test file. @param shared returns the stores; called for each copy */
export function createStateCopies(shared: () => StateCopyOptions): StateCopies {
  const copies: StateCopy[] = [];
  const start = (options: Partial<StateCopyOptions> = {}): StateCopy => {
    const copy = openStateCopy({ ...shared(), ...options });
    copies.push(copy);
    return copy;
  };
  return {
    start,
    open: async (options) => {
      const copy = start(options);
      await copy.poll.ready();
      return copy;
    },
    close: async () => {
      await Promise.all(copies.splice(0).map((copy) => copy.close()));
    },
  };
}
