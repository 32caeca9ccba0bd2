import type { Log, MarkStore, Marks, ShownState, Sql } from '#services/domain/ports.ts';
import { isDatabaseUnused } from './revocations.store.ts';
import { higherMarks, standingOf } from './state-poll-high-water.ts';

/** `rewound`: the answer must not be used. `returned`: the database is trusted again, and all of it must be read anew. */
type Trust = 'trusted' | 'returned' | 'rewound';

export type HighWaterKeeper = {
  /** The highest state ever seen, here or in the store, whether or not the database is still at it. */
  high(): Marks | null;
  /**
   * The marks to judge the next answer by; null: `read` them first. Take them before asking: other processes raise
   * them meanwhile, and an answer that was under way is not behind those.
   */
  known(): Marks | null;
  /** As `known`, after a look into the store; null: there are none. Rejects when it cannot be read. */
  read(): Promise<Marks | null>;
  /** Judges what the database showed. Rejects when marks could not be moved to its new incarnation. */
  judge(shown: ShownState, marks: Marks | null): Promise<Trust>;
  /** Follows what was seen, never further: a commit is visible no sooner than it is durable. Never throws. */
  raise(seen: Marks): void;
  /** Resolves when nothing is being raised any more. */
  close(): Promise<void>;
};

export type HighWaterKeeperDeps = { readonly marks: MarkStore; readonly sql: Sql; readonly log: Log };

/** Compares a database with the highest state that this process or the mark store has seen of it. */
export function createHighWaterKeeper({ marks: store, sql, log }: HighWaterKeeperDeps): HighWaterKeeper {
  /** The highest state ever seen, here or in the store. */
  let high: Marks | null = null;
  let isRewound = false;
  let raising: Promise<void> | null = null;
  let failure: string | undefined;

  async function adopt(shown: ShownState, before: string | undefined): Promise<void> {
    const message =
      before === undefined ? 'no marks yet: trusting the database as it is' : 'marks moved to a new incarnation';
    log.warn({ incarnation: shown.incarnation, before, epoch: shown.revocationEpoch }, message);
    const replaced = before === undefined ? shown.replaced : [...shown.replaced, before];
    high = await store.raise(higherMarks(null, shown), replaced);
  }

  function raise(next: Marks): void {
    raising = store
      .raise(next)
      .then((stored) => {
        raising = null;
        if (failure !== undefined) log.info({}, 'marks are raised again');
        failure = undefined;
        high = higherMarks(high, stored);
        const isBehind = next.revocationEpoch < high.revocationEpoch || next.beat < high.beat;
        if (high.incarnation === next.incarnation && isBehind) raise(high);
      })
      .catch((err: unknown) => {
        raising = null;
        // A state, tried again with every beat: said when it begins, becomes another, and ends.
        const reason = String((err as { code?: unknown }).code);
        if (reason !== failure)
          log.error({ err }, 'marks could not be raised: a rewound database may go unnoticed after a restart');
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
    async judge(shown, marks) {
      const standing = standingOf(shown, marks);
      const isOther = shown.incarnation !== marks?.incarnation;
      if (standing === 'rewound' && !(isOther && (await isDatabaseUnused(sql)))) {
        if (!isRewound)
          log.error(
            { shown, marks },
            'state_rewound: the database is older than its marks; nothing is issued or validated. Restore the newest state, or run: sallyport restore --accept-loss',
          );
        isRewound = true;
        return 'rewound';
      }
      if (standing !== 'current') await adopt(shown, marks?.incarnation);
      if (!isRewound) return 'trusted';
      isRewound = false;
      log.warn({ incarnation: shown.incarnation }, 'the database is at its marks again; loading its state');
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
