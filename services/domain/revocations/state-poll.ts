import { revocationVisibility } from '#observability/metrics/revocations.ts';
import type { Marks, Ports, ShownState, Sql } from '#services/domain/ports.ts';
import { createSingleFlight } from '#services/domain/shared/single-flight.ts';
import type { PolledGuard } from './database-guard.ts';
import { createHighWaterKeeper } from './high-water-keeper.ts';
import { followNews, notifyCopies } from './revocation-news.cache.ts';
import type { RevocationMemory } from './revocation-set.ts';
import { beatFeed, FEED_PAGE_SIZE, type FeedPage, readFeed } from './revocations.store.ts';
import { createVersionFollower } from './version-follower.ts';

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

export type StatePollDeps = Pick<Ports, 'sql' | 'redis' | 'clock' | 'log' | 'marks'> & {
  /** A separate connection to the primary, so that polls do not wait behind requests. */
  readonly pollSql: Sql;
  readonly revocations: RevocationMemory;
  readonly databaseGuard: PolledGuard;
  readonly pollIntervalMs: number;
  /** Loads the keys. Called at the first answer and when `keys_version` changes; retried until it succeeds. */
  readonly onKeysVersion: () => Promise<unknown>;
  /** The same for roles and clients, by `access_version`. */
  readonly onAccessVersion: () => Promise<unknown>;
  /** Called after every complete answer. */
  readonly onConfirmed?: (state: ConfirmedState) => void;
  /** Called about once a second, on the copy that advanced the beat: maintenance of the feed. */
  readonly onBeat?: () => Promise<unknown>;
};

export type StatePoll = {
  start(): void;
  /** Resolves when a poll that was sent after the call has been answered or has failed. Concurrent callers share one. */
  wake(): Promise<void>;
  /**
   * Call it after a commit that wrote revocations. Resolves when this copy has read them or the poll has failed. Notifies
   * the other copies without waiting for them. Never rejects.
   */
  announce(): Promise<void>;
  /** Notifies the other copies to poll immediately, after a change of something other than revocations. */
  notify(): void;
  /** Resolves when everything is loaded, or the database is known to be rewound. */
  ready(): Promise<void>;
  close(): Promise<void>;
};

type Source = 'push' | 'poll';
/** When a statement was sent: by the monotonic and the wall clock, milliseconds. */
type Sent = { readonly atMs: number; readonly atWallMs: number };

/** How long a poll waits for the marks when it has earlier ones: a slow mark store must not make the revocations stale. */
const MARKS_WAIT_MS = 1_000;

/** Keeps the revocation set, the keys, and roles and clients up to date with the database. */
export function createStatePoll(deps: StatePollDeps): StatePoll {
  const { clock, log, revocations, databaseGuard } = deps;
  const marks = createHighWaterKeeper({ marks: deps.marks, sql: deps.pollSql, log });
  const keys = createVersionFollower('keys', deps.onKeysVersion, log);
  const access = createVersionFollower('access', deps.onAccessVersion, log);
  const trustedNow = createTrustedTime();
  const recordVisibility = createVisibilityRecord();
  let cursor = 0;
  let isLoaded = false;
  let hasFailed = false;
  let areMarksUnreadable = false;
  let closed = false;
  let beating: Promise<void> | null = null;
  let announcedEpoch = 0;
  let timer: NodeJS.Timeout | undefined;
  let unfollow: (() => Promise<void>) | undefined;
  const known = Promise.withResolvers<void>();
  // Single-flight: a poll in flight may have read before the commit that a caller announces, so callers share the next.
  const polls = createSingleFlight<Source>(async (source) => {
    try {
      await readAll(source);
      if (hasFailed) log.info({}, 'revocations can be read again');
      hasFailed = false;
    } catch (err) {
      if (!hasFailed && !closed) log.warn({ err }, 'revocations could not be read');
      hasFailed = true;
      databaseGuard.unsettle();
    }
  });
  databaseGuard.follow({ seen: marks.high, wake: () => polls.run('push') });

  /**
   * Reads the marks to compare the next answer with: before a connection was lost, another copy may have seen a newer
   * state than this one. If the store cannot be read, validation continues with the known marks, and issuing waits.
   */
  async function readMarks(): Promise<{ readonly expected: Marks | null; readonly settles: boolean }> {
    const known = marks.known();
    if (known === null) return { expected: await marks.read(), settles: true };
    try {
      const stored = await withinMs(marks.read(), MARKS_WAIT_MS);
      areMarksUnreadable = false;
      return { expected: stored, settles: true };
    } catch (err) {
      if (!areMarksUnreadable)
        log.warn({ err }, 'high-water marks cannot be read after a lost connection: no token is issued until they can');
      areMarksUnreadable = true;
      return { expected: known, settles: false };
    }
  }

  /** Reads pages until one is not full. The set is then complete as of the time that the last query was sent. */
  async function readAll(source: Source): Promise<void> {
    for (;;) {
      const doubts = databaseGuard.doubts();
      const known = databaseGuard.isInDoubt() ? null : marks.known();
      const { expected, settles } = known ? { expected: known, settles: true } : await readMarks();
      const settle = (): void => (settles ? databaseGuard.settle(doubts) : undefined);
      const sent = { atMs: clock.monotonic(), atWallMs: clock.now() };
      const from = cursor;
      const page = await readFeed(deps.pollSql, from);
      if (closed) return;
      if (page.isStandby) throw new Error('revocations were read from a standby; DATABASE_URL must name the primary');

      const trust = await marks.compare(shownBy(page), expected);
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
      // Another connection was lost during this poll.
      if (settles && databaseGuard.isInDoubt()) void polls.run('poll');
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
    revocations.sweep(trustedNow(page.nowMs, sent.atMs));
    revocations.confirm(cursor, sent.atMs, sent.atWallMs);
    isLoaded = true;
    marks.raise(shownBy(page));
    if (page.isBeatDue) beat();
    const { incarnation, keysVersion, accessVersion, nowMs: databaseNowMs } = page;
    deps.onConfirmed?.({ incarnation, keysVersion, accessVersion, databaseNowMs, sentAtMs: sent.atMs });
    const followed = Promise.all([keys.see(keysVersion), access.see(accessVersion)]);
    void followed.then(([isKeysLoaded, isAccessLoaded]) => {
      if (isKeysLoaded && isAccessLoaded) known.resolve();
    });
  }

  function beat(): void {
    if (beating) return;
    beating = beatFeed(deps.sql)
      .then(() => deps.onBeat?.())
      .catch((err: unknown) => log.warn({ err }, 'beat or maintenance of the revocation feed failed'))
      .then(() => {
        beating = null;
      });
  }

  async function announce(): Promise<void> {
    await polls.run('push');
    const { epoch } = revocations.state();
    if (epoch <= announcedEpoch) return;
    announcedEpoch = epoch;
    notifyCopies(deps.redis, epoch);
  }

  return {
    start() {
      void polls.run('poll');
      timer = setInterval(() => {
        if (polls.isIdle()) void polls.run('poll');
      }, deps.pollIntervalMs);
      unfollow = followNews(
        deps.redis,
        () => revocations.state().epoch,
        () => void polls.run('push'),
      );
    },
    wake: () => polls.run('push'),
    announce,
    notify: () => notifyCopies(deps.redis),
    ready: () => known.promise,
    async close() {
      closed = true;
      clearInterval(timer);
      await Promise.all([unfollow?.(), polls.close(), marks.close(), beating]);
    },
  };
}

/** Settles like `work`; rejects when it takes longer than `waitMs`. */
async function withinMs<T>(work: Promise<T>, waitMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${waitMs} ms`)), waitMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
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
  return ({ entries, nowMs }, tookMs, source) => {
    for (const { createdAtMs } of entries) visibility[source].record(Math.max(0, nowMs - createdAtMs + tookMs) / 1_000);
  };
}
