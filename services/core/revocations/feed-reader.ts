import { revocationVisibility } from '#observability/metrics/revocations.ts';
import type { Marks, Ports, ShownState, Sql } from '#services/core/ports.ts';
import { withinMs } from '#services/platform/define/within-ms.ts';
import type { PolledGuard } from './database-guard.ts';
import type { HighWaterKeeper } from './high-water-keeper.ts';
import type { RevocationMemory } from './revocation-set.ts';
import { FEED_PAGE_SIZE, type FeedPage, readFeed } from './revocations.store.ts';
import type { VersionFollower } from './version-follower.ts';

/** What a complete answer of the database says, for other state in memory. */
export type ConfirmedState = {
  readonly incarnation: string;
  readonly keysVersion: number;
  readonly accessVersion: number;
  /** The database's clock when it answered, milliseconds since 1970. */
  readonly databaseNowMs: number;
  /** When the query was sent, monotonic milliseconds. */
  readonly sentAtMs: number;
};

/** `push`: another copy, or a commit of this one, has announced something. */
export type Source = 'push' | 'poll';

export type FeedReaderDeps = Pick<Ports, 'clock' | 'log'> & {
  /** A separate connection to the primary, so that polls do not wait behind requests. */
  readonly pollSql: Sql;
  readonly revocations: RevocationMemory;
  readonly databaseGuard: PolledGuard;
  readonly highWater: HighWaterKeeper;
  readonly keys: VersionFollower;
  readonly access: VersionFollower;
  /** Called after every complete answer. */
  readonly onConfirmed?: ((state: ConfirmedState) => void) | undefined;
  /** Called when this copy should advance the beat. */
  readonly onBeatDue: () => void;
  /** Another connection was lost during this poll. */
  readonly onDoubt: () => void;
};

type FeedReader = {
  /** Reads pages until one is not full. The set is then complete as of the time that the last query was sent. */
  read(source: Source): Promise<void>;
  /** Resolves when everything is loaded, or the database is known to be rewound. */
  ready(): Promise<void>;
  /** Ignores an answer that is still in flight. */
  close(): void;
};

/** When a statement was sent: by the monotonic and the wall clock, milliseconds. */
type Sent = { readonly atMs: number; readonly atWallMs: number };

/** How long a poll waits for the marks when it has earlier ones: a slow mark store must not make the revocations stale. */
const MARKS_WAIT_MS = 1_000;

/** Reads the feed of revocations into memory, and confirms, resets or refuses what this copy knows by each answer. */
export function createFeedReader(deps: FeedReaderDeps): FeedReader {
  const { clock, revocations, databaseGuard, highWater, keys, access } = deps;
  const trustedNow = createTrustedTime();
  const recordVisibility = createVisibilityRecord();
  const readMarks = createMarkReader(highWater, deps.log);
  const known = Promise.withResolvers<void>();
  let cursor = 0;
  let isLoaded = false;
  let isClosed = false;

  async function read(source: Source): Promise<void> {
    for (;;) {
      const doubts = databaseGuard.doubts();
      const marks = databaseGuard.isInDoubt() ? null : highWater.known();
      const { expected, settles } = marks ? { expected: marks, settles: true } : await readMarks();
      const settle = (): void => (settles ? databaseGuard.settle(doubts) : undefined);
      const sent = { atMs: clock.monotonic(), atWallMs: clock.now() };
      const from = cursor;
      const page = await readFeed(deps.pollSql, from);
      if (isClosed) return;
      if (page.is_standby) throw new Error('revocations were read from a standby; DATABASE_URL must name the primary');

      const trust = await highWater.compare(shownBy(page), expected);
      if (trust === 'rewound') return refuse(settle);
      if (trust === 'returned' || revocations.state().incarnation !== page.incarnation) reset(page.incarnation);
      revocations.setRewound(false);
      // The set was emptied, but this page begins at the old cursor: read again from 0.
      if (cursor !== from) continue;

      revocations.apply(page.entries);
      cursor = page.entries.at(-1)?.epoch ?? cursor;
      if (page.entries.length === FEED_PAGE_SIZE) continue;

      cursor = Math.max(cursor, page.epoch);
      if (isLoaded) recordVisibility(page, clock.monotonic() - sent.atMs, source);
      confirm(page, sent);
      settle();
      if (settles && databaseGuard.isInDoubt()) deps.onDoubt();
      return;
    }
  }

  function refuse(settle: () => void): void {
    revocations.setRewound(true);
    // Ends the doubt: the database is known to be rewound, and the guard refuses each statement by the marks.
    settle();
    known.resolve();
  }

  function reset(incarnation: string): void {
    revocations.reset(incarnation);
    cursor = 0;
    isLoaded = false;
    keys.forget();
    access.forget();
  }

  function confirm(page: FeedPage, sent: Sent): void {
    revocations.sweep(trustedNow(page.now_ms, sent.atMs));
    revocations.confirm(cursor, sent.atMs, sent.atWallMs);
    isLoaded = true;
    highWater.raise(shownBy(page));
    if (page.is_beat_due) deps.onBeatDue();
    const { incarnation, keys_version: keysVersion, access_version: accessVersion, now_ms: databaseNowMs } = page;
    deps.onConfirmed?.({ incarnation, keysVersion, accessVersion, databaseNowMs, sentAtMs: sent.atMs });
    const followed = Promise.all([keys.see(keysVersion), access.see(accessVersion)]);
    void followed.then(([isKeysLoaded, isAccessLoaded]) => {
      if (isKeysLoaded && isAccessLoaded) known.resolve();
    });
  }

  return {
    read,
    ready: () => known.promise,
    close: () => {
      isClosed = true;
    },
  };
}

/**
 * Reads the marks to compare the next answer with: before a connection was lost, another copy may have seen a newer
 * state than this one. If the store cannot be read, validation continues with the known marks, and issuing waits.
 */
function createMarkReader(
  highWater: HighWaterKeeper,
  log: Ports['log'],
): () => Promise<{ readonly expected: Marks | null; readonly settles: boolean }> {
  let areUnreadable = false;
  return async () => {
    const known = highWater.known();
    if (known === null) return { expected: await highWater.read(), settles: true };
    try {
      const stored = await withinMs(highWater.read(), MARKS_WAIT_MS);
      areUnreadable = false;
      return { expected: stored, settles: true };
    } catch (err) {
      if (!areUnreadable)
        log.warn({ err }, 'high-water marks cannot be read after a lost connection: no token is issued until they can');
      areUnreadable = true;
      return { expected: known, settles: false };
    }
  };
}

const shownBy = ({ incarnation, epoch, beat, replaced }: FeedPage): ShownState => ({
  incarnation,
  revocationEpoch: epoch,
  beat,
  replaced,
});

/**
 * The database's time, limited to its first answer plus the time that has passed on this copy. Otherwise a database
 * clock that jumps ahead and back would make this copy drop revocations of tokens that are still valid.
 */
function createTrustedTime(): (databaseMs: number, sentAtMs: number) => number {
  let first: { readonly databaseMs: number; readonly sentAtMs: number } | undefined;
  return (databaseMs, sentAtMs) => {
    first ??= { databaseMs, sentAtMs };
    return Math.min(databaseMs, first.databaseMs + (sentAtMs - first.sentAtMs));
  };
}

/** Records the time from commit to effect on this copy: both by the database's clock, plus the duration of the query. */
function createVisibilityRecord(): (page: FeedPage, tookMs: number, source: Source) => void {
  const visibility = {
    push: revocationVisibility.at({ source: 'push' }),
    poll: revocationVisibility.at({ source: 'poll' }),
  };
  return ({ entries, now_ms: nowMs }, tookMs, source) => {
    for (const { createdAtMs } of entries) visibility[source].record(Math.max(0, nowMs - createdAtMs + tookMs) / 1_000);
  };
}
