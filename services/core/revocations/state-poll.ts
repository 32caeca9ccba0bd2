import type { Ports } from '#services/core/ports.ts';
import { createSingleFlight } from '#services/core/shared/single-flight.ts';
import { createFeedReader, type FeedReaderDeps, type Source } from './feed-reader.ts';
import { createHighWaterKeeper } from './high-water-keeper.ts';
import { followNews, notifyCopies } from './revocation-news.cache.ts';
import { beatFeed } from './revocations.store.ts';
import { createVersionFollower } from './version-follower.ts';

type StatePollDeps = Pick<Ports, 'sql' | 'redis' | 'marks'> &
  Pick<FeedReaderDeps, 'clock' | 'log' | 'pollSql' | 'revocations' | 'databaseGuard' | 'onConfirmed'> & {
    readonly pollIntervalMs: number;
    /** Loads the keys. Called at the first answer and when `keys_version` changes; retried until it succeeds. */
    readonly onKeysVersion: () => Promise<unknown>;
    /** The same for roles and clients, by `access_version`. */
    readonly onAccessVersion: () => Promise<unknown>;
    /** Called on the copy that advanced the beat, once a second while anything is written: maintenance of the feed. */
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

/** After a beat that another must follow. */
const BEAT_MS = 1_000;

/** Keeps the revocation set, the keys, and roles and clients up to date with the database. */
export function createStatePoll(deps: StatePollDeps): StatePoll {
  const { log, revocations, databaseGuard } = deps;
  const highWater = createHighWaterKeeper({ marks: deps.marks, sql: deps.pollSql, log });
  const beat = createBeat(deps);
  let hasFailed = false;
  let isClosed = false;
  let announcedEpoch = 0;
  let timer: NodeJS.Timeout | undefined;
  let unfollow: (() => Promise<void>) | undefined;
  const feed = createFeedReader({
    ...deps,
    highWater,
    keys: createVersionFollower('keys', deps.onKeysVersion, log),
    access: createVersionFollower('access', deps.onAccessVersion, log),
    onBeatDue: beat.advance,
    onDoubt: () => void polls.run('poll'),
  });
  // Single-flight: a poll in flight may have read before the commit that a caller announces, so callers share the next.
  const polls = createSingleFlight<Source>(async (source) => {
    try {
      await feed.read(source);
      if (hasFailed) log.info({}, 'revocations can be read again');
      hasFailed = false;
    } catch (err) {
      if (!hasFailed && !isClosed) log.warn({ err }, 'revocations could not be read');
      hasFailed = true;
      databaseGuard.unsettle();
    }
  });
  databaseGuard.follow({ seen: highWater.high, wake: () => polls.run('push') });

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
    ready: feed.ready,
    async close() {
      isClosed = true;
      feed.close();
      clearInterval(timer);
      await Promise.all([unfollow?.(), polls.close(), highWater.close(), beat.ended()]);
    },
  };
}

/** Advances the beat of the feed and maintains it, one run at a time. */
function createBeat({ sql, onBeat, log }: Pick<StatePollDeps, 'sql' | 'onBeat' | 'log'>): {
  advance(): void;
  ended(): Promise<void> | null;
} {
  let beating: Promise<void> | null = null;
  let again: NodeJS.Timeout | undefined;
  let isEnded = false;
  const advance = (): void => {
    if (beating) return;
    clearTimeout(again);
    beating = beatFeed(sql)
      .then((isLast) => {
        if (!isLast && !isEnded) again = setTimeout(advance, BEAT_MS).unref();
        return onBeat?.();
      })
      .catch((err: unknown) => log.warn({ err }, 'beat or maintenance of the revocation feed failed'))
      .then(() => {
        beating = null;
      });
  };
  return {
    advance,
    ended: () => {
      isEnded = true;
      clearTimeout(again);
      return beating;
    },
  };
}
