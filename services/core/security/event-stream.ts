import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AuditEventView } from '../audit/read/event-view.ts';
import { followEvents, followEventsOf, newestEventSeq } from '../audit/read/list-events.ts';
import type { Caller, Clock, Log, Ports } from '../ports.ts';
import { createStreamLedger } from '../shared/stream-ledger.ts';
import { eventStreamsBusy, eventStreamsSpent } from './errors.ts';

type EventQuestion = {
  /** Send events after this seq; by default, those sealed from now on. */
  readonly afterSeq?: number | undefined;
  /** Send only these types; by default, all. */
  readonly types?: readonly string[] | undefined;
};

/** Whether the stream's caller still has access. Rejects if that cannot be determined. */
type IsStillAllowed = () => Promise<boolean>;

export type EventStreams = {
  /**
   * Server-sent events: every sealed security event after a seq, in the form of GET /v1/audit/events, with the seq as the
   * id. A message without data first gives the seq at which the stream begins. A comment every 15 s tells a quiet stream
   * from a dead one. The stream ends after `maximumLifeMs`; a consumer that reconnects with Last-Event-ID authenticates
   * again and misses nothing. It also ends as soon as `isStillAllowed` returns false, which is checked at every tick and
   * before every page; while that check fails, nothing is sent. Throws `eventStreamsSpent` (429), `eventStreamsBusy`,
   * `shuttingDown`, `storeUnavailable` (503).
   */
  open(question: EventQuestion, caller: Caller, isStillAllowed: IsStillAllowed): Promise<Readable>;
  count(): number;
  /** Ends every stream cleanly and opens no more, when the copy drains. */
  close(): void;
};

export type HasEventStreams = { readonly eventStreams: EventStreams };

export type EventStreamDeps = Pick<Ports, 'sql'> & {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly log: Log;
  readonly maximumStreams?: number;
  readonly maximumPerCaller?: number;
  readonly maximumLifeMs?: number;
  /** A consumer that has read nothing for this long is disconnected. */
  readonly stuckAfterMs?: number;
  readonly heartbeatMs?: number;
  readonly everyMs?: number;
};

const PAGE = 100;

/** The seq in the Last-Event-ID of a reconnecting consumer (WHATWG HTML §9.2.4); undefined if it is not one. */
export const seqOfEventId = (id: unknown): number | undefined =>
  typeof id === 'string' && /^\d{1,15}$/.test(id) ? Number(id) : undefined;

const frameOf = (event: AuditEventView): string =>
  `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

const bytesOf = (events: readonly AuditEventView[]): Buffer => Buffer.from(events.map(frameOf).join(''));

/** Events after a seq as a consumer gets them; `reachedSeq` is the last event that the search covered. */
type Page = { readonly bytes: Buffer; readonly reachedSeq: number };
type ReadPage = (afterSeq: number, types: readonly string[] | undefined) => Promise<Page>;

/** Backpressure: a page is read only after the consumer took the last one, so a slow consumer uses no memory here. */
class EventStream extends Readable {
  readonly #deps: EventStreamDeps;
  readonly #readPage: ReadPage;
  readonly #types: readonly string[] | undefined;
  readonly #isStillAllowed: IsStillAllowed;
  readonly #openedAt: number;
  #afterSeq: number;
  /** End of the log at the last tick. */
  #newestSeq: number;
  #sentAt: number;
  #isWanted = false;
  #isBusy = false;
  #isFinished = false;

  constructor(
    deps: EventStreamDeps,
    readPage: ReadPage,
    afterSeq: number,
    types: readonly string[] | undefined,
    isStillAllowed: IsStillAllowed,
  ) {
    super({ highWaterMark: 16_384 });
    this.#deps = deps;
    this.#readPage = readPage;
    this.#types = types;
    this.#isStillAllowed = isStillAllowed;
    this.#afterSeq = afterSeq;
    this.#newestSeq = afterSeq;
    this.#openedAt = deps.clock.monotonic();
    this.#sentAt = this.#openedAt;
    // An id before the first event: a consumer whose stream breaks before it continues here, and misses nothing.
    this.push(`retry: 1000\nid: ${afterSeq}\n\n`);
  }

  override _read(): void {
    this.#isWanted = true;
    // More than one page is due: without this a consumer would get one in each tick.
    if (this.#newestSeq > this.#afterSeq) void this.#advance();
  }

  /** Sends new events or a heartbeat; ends the stream if its consumer is stuck, its life is over or its caller lost access. */
  async tick(newestSeq: number): Promise<void> {
    const { clock, maximumLifeMs = 300_000, stuckAfterMs = 30_000, heartbeatMs = 15_000 } = this.#deps;
    const now = clock.monotonic();
    this.#newestSeq = newestSeq;
    if (!this.#isWanted && !this.#isBusy && now - this.#sentAt > stuckAfterMs) this.destroy();
    else if (now - this.#openedAt > maximumLifeMs) this.finish();
    else if (newestSeq > this.#afterSeq) await this.#advance();
    else if ((await this.#checkAccess()) && now - this.#sentAt > heartbeatMs) this.#send(': quiet\n\n');
  }

  finish(): void {
    if (this.#isFinished || this.destroyed) return;
    this.#isFinished = true;
    this.push(null);
  }

  async #checkAccess(): Promise<boolean> {
    try {
      if (await this.#isStillAllowed()) return true;
      this.finish();
    } catch (err) {
      this.#deps.log.debug({ err }, 'event stream access check failed; sending nothing');
    }
    return false;
  }

  #send(text: string | Buffer): void {
    if (this.destroyed || this.#isFinished) return;
    this.#sentAt = this.#deps.clock.monotonic();
    this.#isWanted = this.push(text);
  }

  async #advance(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      while (this.#isWanted && !this.destroyed && !this.#isFinished) {
        const { bytes, reachedSeq } = await this.#readPage(this.#afterSeq, this.#types);
        if (reachedSeq === this.#afterSeq || !(await this.#checkAccess())) break;
        this.#afterSeq = reachedSeq;
        if (bytes.length > 0) this.#send(bytes);
      }
    } catch (err) {
      // `#afterSeq` is unchanged, so the next tick resumes from there.
      this.#deps.log.debug({ err }, 'event stream not served; retrying');
    } finally {
      this.#isBusy = false;
    }
  }
}

/** Reads a page once for all streams at the same place, until the next tick. */
function createPages(deps: Pick<EventStreamDeps, 'sql'>): { readonly read: ReadPage; forget(): void } {
  const pages = new Map<string, Promise<Page>>();
  async function readAnew(afterSeq: number, types: readonly string[] | undefined): Promise<Page> {
    if (types) {
      const { events, reachedSeq } = await followEventsOf(deps, types, afterSeq, PAGE);
      return { bytes: bytesOf(events), reachedSeq };
    }
    const events = await followEvents(deps, afterSeq, PAGE);
    return { bytes: bytesOf(events), reachedSeq: events.at(-1)?.seq ?? afterSeq };
  }
  return {
    read: (afterSeq, types) => {
      const place = `${afterSeq} ${types?.join() ?? ''}`;
      const page = pages.get(place) ?? readAnew(afterSeq, types);
      pages.set(place, page);
      return page;
    },
    forget: () => pages.clear(),
  };
}

export function createEventStreams(deps: EventStreamDeps): EventStreams {
  const { maximumStreams = 200, maximumPerCaller = 5, everyMs = 250 } = deps;
  let timer: NodeJS.Timeout | undefined;
  let isTicking = false;
  const pages = createPages(deps);
  const ledger = createStreamLedger<EventStream>({
    maximumStreams,
    maximumPerCaller,
    spent: () => eventStreamsSpent({ retryAfterSeconds: 5 }),
    busy: () => eventStreamsBusy({ retryAfterSeconds: 5 }),
    onEmpty: () => {
      clearInterval(timer);
      timer = undefined;
    },
  });

  /** Reads the end of the log once for all streams; stops while there are none. */
  async function tick(): Promise<void> {
    if (isTicking) return;
    isTicking = true;
    try {
      const newest = await newestEventSeq(deps);
      pages.forget();
      const ticks: Promise<void>[] = [];
      for (const stream of ledger.streams()) {
        ticks.push(stream.tick(newest));
        // Fifty streams in one turn of the event loop would hold up every other request for as long.
        await nextTurn();
      }
      await Promise.all(ticks);
    } catch (err) {
      deps.log.debug({ err }, 'event streams not served; retrying');
    } finally {
      isTicking = false;
    }
  }

  return {
    async open({ afterSeq, types }, caller, isStillAllowed) {
      const slot = ledger.reserve(caller);
      try {
        const newest = await newestEventSeq(deps);
        const stream = slot.fill(
          new EventStream(deps, pages.read, Math.min(afterSeq ?? newest, newest), types, isStillAllowed),
        );
        timer ??= setInterval(() => void tick(), everyMs).unref();
        return stream;
      } catch (err) {
        slot.free();
        throw err;
      }
    },
    count: ledger.count,
    close: ledger.close,
  };
}
