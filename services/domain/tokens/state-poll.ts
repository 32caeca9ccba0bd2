import { revocationVisibility } from '../../../observability/metrics/revocations.ts';
import type { Marks, Ports, Sql } from '../ports.ts';
import type { RevocationMemory } from './revocation-set.ts';
import { beatFeed, FEED_PAGE_SIZE, type FeedPage, isDatabaseUnused, readFeed } from './revocations.store.ts';
import { higherMarks, type ShownState, standingOf } from './state-poll-marks.ts';
import { createVersionFollower } from './version-follower.ts';

/** Carries the epoch and nothing else: the row in Postgres is what counts, so a forged entry only causes a poll. */
export const REVOCATION_STREAM = 'sp:revocations';
const STREAM_LENGTH = 1_000;

/** What a complete answer of the database said, for those who hold other state in memory. */
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
   * For after a commit that wrote revocations. Resolves when this copy has read them, or could not within its
   * deadline; the others are told, and not waited for. Never rejects.
   */
  announce(): Promise<void>;
  /** Resolves when the state is known: everything is loaded, or the database is rewound. */
  ready(): Promise<void>;
  close(): Promise<void>;
};

type Source = 'push' | 'poll';

/** Keeps the revocation set, and the versions beside it, as the database has them. */
export function createStatePoll(deps: StatePollDeps): StatePoll {
  const { clock, log, revocations } = deps;
  const keys = createVersionFollower('keys', deps.onKeysVersion, log);
  const access = createVersionFollower('access', deps.onAccessVersion, log);
  const visibility = {
    push: revocationVisibility.at({ source: 'push' }),
    poll: revocationVisibility.at({ source: 'poll' }),
  };
  let cursor = 0;
  /** The highest state ever seen, here or in the mark store; null before the marks were read. */
  let high: Marks | null = null;
  let areMarksRead = false;
  let isRewound = false;
  let isLoaded = false;
  let hasFailed = false;
  /** When the first answer came, by the database and by this process: see `trustedNow`. */
  let anchor: { readonly databaseMs: number; readonly monotonicMs: number } | null = null;
  let closed = false;
  let inFlight: Promise<void> | null = null;
  let queued: Promise<void> | null = null;
  let raising: Promise<void> | null = null;
  let beating: Promise<void> | null = null;
  let announcedEpoch = 0;
  let timer: NodeJS.Timeout | undefined;
  let unfollow: (() => Promise<void>) | undefined;
  let settle: () => void = () => {};
  const known = new Promise<void>((resolve) => {
    settle = resolve;
  });

  /**
   * The database's time, but never ahead of what has passed here since the first answer: a clock that leaps and
   * returns must not make this copy forget revocations of tokens that live again.
   */
  function trustedNow(page: FeedPage, sentAtMs: number): number {
    anchor ??= { databaseMs: page.nowMs, monotonicMs: sentAtMs };
    return Math.min(page.nowMs, anchor.databaseMs + (sentAtMs - anchor.monotonicMs));
  }

  function reset(incarnation: string): void {
    revocations.reset(incarnation);
    cursor = 0;
    isLoaded = false;
    keys.forget();
    access.forget();
  }

  function rewind(shown: ShownState, marks: Marks | null): void {
    if (!isRewound)
      log.error(
        { shown, marks },
        'state_rewound: the database is older than its marks; nothing is issued or validated. Restore the newest state, or run: sallyport restore --accept-loss',
      );
    isRewound = true;
    revocations.setRewound(true);
    settle();
  }

  async function readMarks(): Promise<void> {
    const held = await deps.marks.read();
    areMarksRead = true;
    if (held) high = higherMarks(high, held);
  }

  /**
   * Judges the database by what was known before it was asked: other processes raise the marks meanwhile, and an
   * answer that was under way is not behind them. False: it is rewound, and nothing of it may be used.
   */
  async function isTrusted(shown: ShownState, marks: Marks | null): Promise<boolean> {
    const before = marks?.incarnation;
    const standing = standingOf(shown, marks);
    if (standing === 'rewound' && !(shown.incarnation !== before && (await isDatabaseUnused(deps.pollSql)))) {
      rewind(shown, marks);
      return false;
    }
    if (standing !== 'current') await adopt(shown, before);
    if (isRewound) {
      isRewound = false;
      log.warn({ incarnation: shown.incarnation }, 'the database is at its marks again; loading its state');
      reset(shown.incarnation);
    }
    revocations.setRewound(false);
    if (revocations.state().incarnation !== shown.incarnation) reset(shown.incarnation);
    return true;
  }

  async function adopt(shown: ShownState, before: string | undefined): Promise<void> {
    const message =
      before === undefined ? 'no marks yet: trusting the database as it is' : 'marks moved to a new incarnation';
    log.warn({ incarnation: shown.incarnation, before, epoch: shown.revocationEpoch }, message);
    const next = higherMarks(null, shown);
    high = await deps.marks.raise(next, before === undefined ? shown.replaced : [...shown.replaced, before]);
  }

  /** Raised only to what was seen: a commit is visible no sooner than it is durable. */
  function raiseMarks(): void {
    if (raising || high === null) return;
    const next = high;
    raising = deps.marks
      .raise(next)
      .then((held) => {
        high = high === null || held.incarnation !== high.incarnation ? held : higherMarks(high, held);
        raising = null;
        if (
          high.incarnation === next.incarnation &&
          (high.revocationEpoch > next.revocationEpoch || high.beat > next.beat)
        )
          raiseMarks();
      })
      .catch((err: unknown) => {
        raising = null;
        log.error({ err }, 'marks could not be raised: a rewound database may go unnoticed after a restart');
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

  function confirm(page: FeedPage, epoch: number, sentAtMs: number, sentAtWallMs: number): void {
    const before = high;
    high = higherMarks(high, { incarnation: page.incarnation, revocationEpoch: page.epoch, beat: page.beat });
    revocations.sweep(trustedNow(page, sentAtMs));
    revocations.confirm(epoch, sentAtMs, sentAtWallMs);
    isLoaded = true;
    if (before?.revocationEpoch !== high.revocationEpoch || before.beat !== high.beat) raiseMarks();
    if (page.isBeatDue) beat();
    const { incarnation, keysVersion, accessVersion, nowMs: databaseNowMs } = page;
    deps.onConfirmed?.({ incarnation, keysVersion, accessVersion, databaseNowMs, sentAtMs });
    const followed = Promise.all([keys.see(keysVersion), access.see(accessVersion)]);
    void followed.then(([isKeysLoaded, isAccessLoaded]) => {
      if (isKeysLoaded && isAccessLoaded) settle();
    });
  }

  /** Reads pages until one is not full; only then is the set complete as of that page's sending. */
  async function readAll(source: Source): Promise<void> {
    for (;;) {
      if (!areMarksRead || isRewound) await readMarks();
      const marks = high;
      const sentAtMs = clock.monotonic();
      const sentAtWallMs = clock.now();
      const from = cursor;
      const page = await readFeed(deps.pollSql, from);
      if (closed) return;
      if (page.isStandby)
        throw new Error('the database asked for revocations is a standby; DATABASE_URL must name the primary');
      const shown = {
        incarnation: page.incarnation,
        revocationEpoch: page.epoch,
        beat: page.beat,
        replaced: page.replaced,
      };
      if (!(await isTrusted(shown, marks))) return;
      // The set was emptied: this page began where the old one ended.
      if (cursor !== from) continue;
      revocations.apply(page.entries);
      cursor = page.entries.at(-1)?.epoch ?? cursor;
      if (page.entries.length === FEED_PAGE_SIZE) continue;
      cursor = Math.max(cursor, page.epoch);
      if (isLoaded) recordVisibility(page, clock.monotonic() - sentAtMs, source);
      confirm(page, cursor, sentAtMs, sentAtWallMs);
      return;
    }
  }

  // Both times are the database's, so no two clocks are compared; the way here is added.
  function recordVisibility(page: FeedPage, tookMs: number, source: Source): void {
    for (const entry of page.entries)
      visibility[source].record(Math.max(0, page.nowMs - entry.createdAtMs + tookMs) / 1_000);
  }

  async function run(source: Source): Promise<void> {
    try {
      await readAll(source);
      if (hasFailed) log.info({}, 'revocations are read again');
      hasFailed = false;
    } catch (err) {
      if (!hasFailed && !closed) log.warn({ err }, 'revocations could not be read');
      hasFailed = true;
    }
  }

  function poll(source: Source): Promise<void> {
    if (inFlight === null) {
      inFlight = run(source).finally(() => {
        inFlight = null;
      });
      return inFlight;
    }
    // The one in flight may have looked before the commit that woke us: one more, shared by all who ask meanwhile.
    queued ??= inFlight.then(() => {
      queued = null;
      return closed ? undefined : poll(source);
    });
    return queued;
  }

  async function announce(): Promise<void> {
    await poll('push');
    const { epoch } = revocations.state();
    if (epoch <= announcedEpoch) return;
    announcedEpoch = epoch;
    // Redis down: every copy polls anyway.
    deps.redis.append(REVOCATION_STREAM, { epoch: String(epoch) }, STREAM_LENGTH).catch(() => {});
  }

  return {
    start() {
      void poll('poll');
      timer = setInterval(() => {
        if (inFlight === null) void poll('poll');
      }, deps.pollIntervalMs);
      unfollow = deps.redis.follow(REVOCATION_STREAM, ({ epoch }) => {
        const told = Number(epoch);
        // Behind what is known: our own, or an old one. Anything else is looked up.
        if (!(told <= revocations.state().epoch)) void poll('push');
      });
    },
    wake: () => poll('push'),
    announce,
    ready: () => known,
    async close() {
      closed = true;
      clearInterval(timer);
      await Promise.all([unfollow?.(), inFlight, queued, raising, beating]);
    },
  };
}
