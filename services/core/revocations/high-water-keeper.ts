import type { Log, MarkStore, Marks, Ports, ShownState, Sql } from '#services/core/ports.ts';
import { databaseStatus, higherMarks } from './high-water-marks.ts';
import { isDatabaseUnused, readFeed } from './revocations.store.ts';

/** `rewound`: do not use the answer. `returned`: the database is trusted again; read all of its state again. */
type Trust = 'trusted' | 'returned' | 'rewound';

export type HighWaterKeeper = {
  /** The highest marks seen by this process or read from the store, even when the database is now behind them. */
  high(): Marks | null;
  /**
   * The marks to compare the next answer of the database with; null: call `read` first. Take them before the query is
   * sent: other processes raise the marks meanwhile, and an answer in flight may be lower without being rewound.
   */
  known(): Marks | null;
  /** Like `known`, but reads the store first; null: there are no marks. Rejects when the store cannot be read. */
  read(): Promise<Marks | null>;
  /** Compares the database's state with the marks. Rejects when the marks could not be moved to a new incarnation. */
  compare(shown: ShownState, marks: Marks | null): Promise<Trust>;
  /** Raises the marks to a state that was read. It is durable, because a commit becomes visible only afterwards. Never throws. */
  raise(seen: Marks): void;
  /** Resolves when no write to the store is in flight. */
  close(): Promise<void>;
};

type HighWaterKeeperDeps = { readonly marks: MarkStore; readonly sql: Sql; readonly log: Log };

/** Compares a database with its high-water marks, and raises the marks as its state advances. */
export function createHighWaterKeeper({ marks: store, sql, log }: HighWaterKeeperDeps): HighWaterKeeper {
  let high: Marks | null = null;
  let isRewound = false;
  let raising: Promise<void> | null = null;
  let failure: string | undefined;

  async function adopt(shown: ShownState, before: string | undefined): Promise<void> {
    const message =
      before === undefined
        ? 'no high-water marks yet: the database is trusted in its current state'
        : 'high-water marks moved to a new incarnation';
    log.warn({ incarnation: shown.incarnation, before, epoch: shown.revocationEpoch }, message);
    const replaced = before === undefined ? shown.replaced : [...shown.replaced, before];
    high = await store.raise(higherMarks(null, shown), replaced);
  }

  function raise(next: Marks): void {
    raising = store
      .raise(next)
      .then((stored) => {
        raising = null;
        if (failure !== undefined) log.info({}, 'high-water marks are written again');
        failure = undefined;
        high = higherMarks(high, stored);
        const isBehind = next.revocationEpoch < high.revocationEpoch || next.beat < high.beat;
        if (high.incarnation === next.incarnation && isBehind) raise(high);
      })
      .catch((err: unknown) => {
        raising = null;
        // Retried with every beat; logged only when the failure begins, changes or ends.
        const reason = String((err as { code?: unknown }).code);
        if (reason !== failure)
          log.error(
            { err },
            'high-water marks could not be written: a rewound database may go unnoticed after a restart',
          );
        failure = reason;
      });
  }

  return {
    high: () => high,
    known: () => (isRewound ? null : high),
    async read() {
      const stored = await store.read();
      if (stored) high = higherMarks(high, stored);
      return high;
    },
    async compare(shown, marks) {
      const status = databaseStatus(shown, marks);
      const isOther = shown.incarnation !== marks?.incarnation;
      if (status === 'rewound' && !(isOther && (await isDatabaseUnused(sql)))) {
        if (!isRewound)
          log.error(
            { shown, marks },
            'state_rewound: the database is older than its high-water marks; no token is issued or validated. Restore the newest state, or run: sallyport restore --accept-loss',
          );
        isRewound = true;
        return 'rewound';
      }
      if (status !== 'current') await adopt(shown, marks?.incarnation);
      if (!isRewound) return 'trusted';
      isRewound = false;
      log.warn({ incarnation: shown.incarnation }, 'the database is at its high-water marks again; loading its state');
      return 'returned';
    },
    raise(seen) {
      const before = high;
      high = higherMarks(before, seen);
      const hasRisen = before?.revocationEpoch !== high.revocationEpoch || before.beat !== high.beat;
      if (hasRisen && raising === null) raise(high);
    },
    async close() {
      while (raising) await raising;
    },
  };
}

/**
 * Moves the high-water mark to a database that has never issued a token, even if the mark belongs to another database:
 * an unused database has no token that could become valid again. Call it before the first key is created.
 * @returns false when the database has been used; the state poll then compares it with the mark
 */
export async function claimUnusedDatabase(ports: Pick<Ports, 'sql' | 'marks'>): Promise<boolean> {
  if (!(await isDatabaseUnused(ports.sql))) return false;
  const { incarnation, epoch: revocationEpoch, beat, replaced } = await readFeed(ports.sql, 0);
  const stored = await ports.marks.read();
  const shown = { incarnation, revocationEpoch, beat };
  if (databaseStatus({ ...shown, replaced }, stored) === 'current') return true;
  if (stored?.incarnation === incarnation) return false;
  await ports.marks.raise(higherMarks(null, shown), stored ? [stored.incarnation] : []);
  return true;
}
