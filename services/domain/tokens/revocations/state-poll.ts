import { revocationVisibility } from '#observability/metrics/revocations.ts';
import type { Marks, Ports, ShownState, Sql } from '#services/domain/ports.ts';
import { createSingleFlight } from '#services/domain/shared/single-flight.ts';
import type { PolledGuard } from './database-guard.ts';
import { createHighWaterKeeper } from './high-water-keeper.ts';
import { followNews, tellCopies } from './revocation-news.cache.ts';
import type { RevocationMemory } from './revocation-set.ts';
import { beatFeed, FEED_PAGE_SIZE, type FeedPage, readFeed } from './revocations.store.ts';
import { createVersionFollower } from './version-follower.ts';

/** A complete answer of the database, for other state that is kept in memory. */
export type ConfirmedState = {
  readonly incarnation: string;
  readonly keysVersion: number;
  readonly accessVersion: number;
  /** The database's clock when it answered, milliseconds since 1970. */
  readonly databaseNowMs: number;
  /** Monotonic milliseconds when it was asked. */
  readonly sentAtMs: number;
};

export type StatePollDeps = Pick<Ports, 'sql' | 'redis' | 'clock' | 'log' | 'marks'> & {
  /** A connection of its own to the primary: polls must not wait behind requests. */
  readonly pollSql: Sql;
  readonly revocations: RevocationMemory;
  readonly databaseGuard: PolledGuard;
  readonly pollIntervalMs: number;
  /** Reload what `keys_version` counts; called at the first answer, too, and again until it succeeds. */
  readonly onKeysVersion: () => Promise<unknown>;
  readonly onAccessVersion: () => Promise<unknown>;
  /** After every complete answer. */
  readonly onConfirmed?: (state: ConfirmedState) => void;
  /** Once a second and database, on the copy that is first: small upkeep of the feed. */
  readonly onBeat?: () => Promise<unknown>;
};

export type StatePoll = {
  start(): void;
  /** A poll sent from now on has been answered, or has failed. Any number of callers share one. */
  wake(): Promise<void>;
  /**
   * Call it after a commit that wrote revocations. Resolves when this copy has read them, or its deadline has passed. The
   * other copies are notified and not waited for. Never rejects.
   */
  announce(): Promise<void>;
  /** Notifies the other copies to poll at once, because something other than revocations changed. */
  tell(): void;
  /** Resolves when the state is known: everything is loaded, or the database is rewound. */
  ready(): Promise<void>;
  close(): Promise<void>;
};

type Source = 'push' | 'poll';
/** When a statement was sent: by the monotonic and the wall clock, milliseconds. */
type Sent = { readonly atMs: number; readonly atWallMs: number };

/** How long a poll waits for marks that it has: no store of marks may make the revocations stale. */
const MARKS_WAIT_MS = 1_000;

/** Keeps the revocation set, and the versions beside it, in step with the database. */
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
  let areMarksAway = false;
  let closed = false;
  let beating: Promise<void> | null = null;
  let announcedEpoch = 0;
  let timer: NodeJS.Timeout | undefined;
  let unfollow: (() => Promise<void>) | undefined;
  const known = Promise.withResolvers<void>();
  // Shared: a poll under way may have looked before the commit that woke us, but the next one cannot have.
  const turns = createSingleFlight<Source>(async (source) => {
    try {
      await readAll(source);
      if (hasFailed) log.info({}, 'revocations are read again');
      hasFailed = false;
    } catch (err) {
      if (!hasFailed && !closed) log.warn({ err }, 'revocations could not be read');
      hasFailed = true;
      databaseGuard.unsettle();
    }
  });
  databaseGuard.follow({ seen: marks.high, wake: () => turns.take('push') });

  /**
   * The marks to judge the next answer by, from their store. Another copy may have seen more than this one before a
   * connection was lost; where they cannot be read then, validation goes on by those that are known.
   */
  async function readMarks(): Promise<{ readonly held: Marks | null; readonly settles: boolean }> {
    const held = marks.known();
    if (held === null) return { held: await marks.read(), settles: true };
    try {
      const stored = await withinMs(marks.read(), MARKS_WAIT_MS);
      areMarksAway = false;
      return { held: stored, settles: true };
    } catch (err) {
      if (!areMarksAway) log.warn({ err }, 'the marks cannot be read after a lost connection: nothing is issued');
      areMarksAway = true;
      return { held, settles: false };
    }
  }

  /** Reads pages until one is not full; only then is the set complete as of that page's sending. */
  async function readAll(source: Source): Promise<void> {
    for (;;) {
      const doubts = databaseGuard.doubts();
      const known = databaseGuard.isInDoubt() ? null : marks.known();
      const { held, settles } = known ? { held: known, settles: true } : await readMarks();
      const settle = (): void => (settles ? databaseGuard.settle(doubts) : undefined);
      const sent = { atMs: clock.monotonic(), atWallMs: clock.now() };
      const from = cursor;
      const page = await readFeed(deps.pollSql, from);
      if (closed) return;
      if (page.isStandby)
        throw new Error('the database asked for revocations is a standby; DATABASE_URL must name the primary');

      const trust = await marks.judge(shownBy(page), held);
      if (trust === 'rewound') return refuse(settle);
      if (trust === 'returned' || revocations.state().incarnation !== page.incarnation) reset(page.incarnation);
      revocations.setRewound(false);
      // The set was emptied: this page began where the old one ended.
      if (cursor !== from) continue;

      revocations.apply(page.entries);
      cursor = page.entries.at(-1)?.epoch ?? cursor;
      if (page.entries.length === FEED_PAGE_SIZE) continue;

      cursor = Math.max(cursor, page.epoch);
      if (isLoaded) recordVisibility(page, clock.monotonic() - sent.atMs, source);
      confirm(page, sent);
      settle();
      // Another connection was lost meanwhile.
      if (settles && databaseGuard.isInDoubt()) void turns.take('poll');
      return;
    }
  }

  function refuse(settle: () => void): void {
    revocations.setRewound(true);
    // No doubt: each statement is compared with the marks, and refused.
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
      .catch((err: unknown) => log.warn({ err }, 'the feed could not be kept'))
      .then(() => {
        beating = null;
      });
  }

  async function announce(): Promise<void> {
    await turns.take('push');
    const { epoch } = revocations.state();
    if (epoch <= announcedEpoch) return;
    announcedEpoch = epoch;
    tellCopies(deps.redis, epoch);
  }

  return {
    start() {
      void turns.take('poll');
      timer = setInterval(() => {
        if (turns.isIdle()) void turns.take('poll');
      }, deps.pollIntervalMs);
      unfollow = followNews(
        deps.redis,
        () => revocations.state().epoch,
        () => void turns.take('push'),
      );
    },
    wake: () => turns.take('push'),
    announce,
    tell: () => tellCopies(deps.redis),
    ready: () => known.promise,
    async close() {
      closed = true;
      clearInterval(timer);
      await Promise.all([unfollow?.(), turns.close(), marks.close(), beating]);
    },
  };
}

/** As `work`; rejects when it takes longer. */
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
 * The database's time, but never ahead of what has passed here since its first answer: a clock that leaps and
 * returns must not make this copy forget revocations of tokens that live again.
 */
function createTrustedTime(): (databaseMs: number, sentAtMs: number) => number {
  let first: { readonly databaseMs: number; readonly sentAtMs: number } | undefined;
  return (databaseMs, sentAtMs) => {
    first ??= { databaseMs, sentAtMs };
    return Math.min(databaseMs, first.databaseMs + (sentAtMs - first.sentAtMs));
  };
}

/** From commit to effect here. Both times are the database's, so no two clocks are compared; the way here is added. */
function createVisibilityRecord(): (page: FeedPage, tookMs: number, source: Source) => void {
  const visibility = {
    push: revocationVisibility.at({ source: 'push' }),
    poll: revocationVisibility.at({ source: 'poll' }),
  };
  return ({ entries, nowMs }, tookMs, source) => {
    for (const { createdAtMs } of entries) visibility[source].record(Math.max(0, nowMs - createdAtMs + tookMs) / 1_000);
  };
}
