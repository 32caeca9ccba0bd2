import { Readable } from 'node:stream';
import type { Caller, Clock, Log } from '#services/core/ports.ts';
import { createStreamLedger } from '#services/core/shared/stream-ledger.ts';
import { revocationStreamsBusy, revocationStreamsSpent } from './contract.ts';
import type { FeedQuestion, HasRevocationFeed } from './revocation-feed.ts';
import { assertFresh, type HasRevocations } from './revocation-set.ts';

export type RevocationStreams = {
  /**
   * Opens a stream of server-sent events: the revocations above `since`, then every change. Without changes it sends an
   * empty signed answer at half the staleness bound, so that the consumer can tell a quiet feed from a broken one. It
   * ends after `maximumLifeMs`, so that the consumer authenticates again. Throws `revocationStreamsSpent` (429); `revocationStreamsBusy`, `shuttingDown`, `revocationStateStale` or
   * `stateRewound` (503).
   */
  open(question: FeedQuestion, caller: Caller): Readable;
  count(): number;
  /** Ends every stream cleanly and opens no more: for shutdown. */
  close(): void;
};

export type HasRevocationStreams = { readonly revocationStreams: RevocationStreams };

type RevocationStreamDeps = HasRevocations &
  HasRevocationFeed & {
    readonly clock: Clock;
    readonly log: Log;
    readonly stalenessBoundMs: number;
    readonly maximumStreams?: number;
    readonly maximumPerCaller?: number;
    readonly maximumLifeMs?: number;
    /** A consumer that has read nothing for this long is disconnected. */
    readonly stuckAfterMs?: number;
  };

const EVENT_ID = /^(?:([0-9a-f-]{36})\.)?(\d{1,15})$/;

/** The position in the Last-Event-ID of a reconnecting consumer (WHATWG HTML §9.2.4); null when this server did not send the id. */
export function questionOfEventId(id: unknown): FeedQuestion | null {
  const parts = typeof id === 'string' ? EVENT_ID.exec(id) : null;
  return parts ? { since: Number(parts[2]), incarnation: parts[1] } : null;
}

/**
 * Backpressure: the next answer is made only after the consumer has read the last one, so a slow consumer gets fewer and
 * larger answers and uses no memory here.
 */
class RevocationStream extends Readable {
  readonly #deps: RevocationStreamDeps;
  #question: FeedQuestion;
  #openedAt: number;
  #sentAt: number;
  #isFirst = true;
  #isWanted = false;
  #isBusy = false;
  #isFinished = false;

  constructor(deps: RevocationStreamDeps, question: FeedQuestion) {
    super({ highWaterMark: 16_384 });
    this.#deps = deps;
    this.#question = question;
    this.#openedAt = deps.clock.monotonic();
    this.#sentAt = this.#openedAt;
    this.push('retry: 1000\n\n');
  }

  override _read(): void {
    this.#isWanted = true;
    void this.#advance();
  }

  /** Runs after every poll: sends what is due, disconnects a consumer that reads nothing, and ends an old stream. */
  tick(): void {
    const { clock, maximumLifeMs = 300_000, stuckAfterMs = 10_000 } = this.#deps;
    const now = clock.monotonic();
    if (!this.#isWanted && !this.#isBusy && now - this.#sentAt > stuckAfterMs) this.destroy();
    else if (now - this.#openedAt > maximumLifeMs) this.finish();
    else void this.#advance();
  }

  /** Ends the stream cleanly; does nothing when it has already ended. */
  finish(): void {
    this.#isFinished = true;
    this.push(null);
  }

  #isDue(): boolean {
    const { incarnation, epoch } = this.#deps.revocations.state();
    const hasNews = epoch !== this.#question.since || incarnation !== this.#question.incarnation;
    const isQuiet = this.#deps.clock.monotonic() - this.#sentAt >= this.#deps.stalenessBoundMs / 2;
    return this.#isFirst || hasNews || isQuiet;
  }

  async #advance(): Promise<void> {
    if (!this.#isWanted || this.#isBusy || this.destroyed || this.#isFinished || !this.#isDue()) return;
    this.#isBusy = true;
    this.#isWanted = false;
    try {
      const { jws, incarnation, epoch } = await this.#deps.revocationFeed.answer(this.#question);
      this.#isFirst = false;
      this.#question = { since: epoch, incarnation };
      this.#sentAt = this.#deps.clock.monotonic();
      this.#isBusy = false;
      // `push` calls `_read` again while there is room.
      if (!this.destroyed && !this.#isFinished)
        this.push(`id: ${incarnation}.${epoch}\nevent: revocations\ndata: ${jws}\n\n`);
    } catch (err) {
      // The state is stale or no key signs: the stream stays silent until the consumer's staleness bound ends its trust.
      // The next poll retries.
      this.#isBusy = false;
      this.#isWanted = true;
      this.#deps.log.debug({ err }, 'revocation stream could not be served; the next poll retries');
    }
  }
}

export function createRevocationStreams(deps: RevocationStreamDeps): RevocationStreams {
  const { maximumStreams = 1_000, maximumPerCaller = 20 } = deps;
  const ledger = createStreamLedger<RevocationStream>({
    maximumStreams,
    maximumPerCaller,
    spent: () => revocationStreamsSpent({ retryAfterSeconds: 5 }),
    busy: () => revocationStreamsBusy({ retryAfterSeconds: 5 }),
  });
  deps.revocations.onConfirmed(() => {
    for (const stream of ledger.streams()) stream.tick();
  });
  return {
    open(question, caller) {
      const place = ledger.reserve(caller);
      try {
        assertFresh(deps.revocations);
        return place.fill(new RevocationStream(deps, question));
      } catch (err) {
        place.free();
        throw err;
      }
    },
    count: ledger.count,
    close: ledger.close,
  };
}
