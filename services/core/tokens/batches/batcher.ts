import { setImmediate as nextTick } from 'node:timers/promises';
import { currentRequestTrace, type RequestTrace, withBatchSpan } from '#observability/http-span.ts';
import { requestsDropped } from '#observability/metrics/http.ts';
import type { Clock, RequestContext } from '#services/core/ports.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { failureOf } from './statement-failure.ts';

export type BatcherOptions<Item, Result> = {
  /** Span name of one statement. */
  readonly name: string;
  /** Runs one statement for all items; results in their order. Throws when none took effect, or the outcome is unknown. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly clock: Clock;
  readonly maxBatch: number;
  /** Statements in flight at once; beyond it a batch grows until one returns. */
  readonly maxInFlight: number;
  /**
   * Milliseconds until 503, from the arrival of the request, or from submission when its arrival is unknown; fewer if
   * its request has less time left for PostgreSQL.
   */
  readonly deadlineMs: number;
  /** The request that an item belongs to. An item whose caller has disconnected is not sent or repeated. */
  readonly requestOf?: (item: Item) => Pick<RequestContext, 'arrivedAt' | 'hasLeft'> | undefined;
  /** Most items that may wait; more are refused with 503. */
  readonly maxWaiting: number;
  /**
   * Whether a statement with an unknown outcome that was sent this long ago may be repeated: once by the batcher after a
   * lost connection, or by the client that got 503. Return true only if running it twice is harmless.
   */
  readonly isRepeatable: (elapsedMs: number) => boolean;
  readonly onBatch?: (size: number) => void;
};

/** Group commit: concurrent items share one statement and its commit. */
export type Batcher<Item, Result> = {
  /** Rejects with `store_unavailable` (503) at the deadline or when too many items wait. Any other error concerns the item. */
  submit(item: Item): Promise<Result>;
  /** Refuses new items and waits for the submitted ones. */
  close(): Promise<void>;
};

type Member<Item, Result> = {
  readonly item: Item;
  readonly trace: RequestTrace | undefined;
  readonly deadlineAt: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (err: unknown) => void;
  state: 'waiting' | 'sent' | 'settled';
};

/** Members of a failed batch run singly beside the batches, so that a blocked one does not delay the rest. */
const SINGLES_AT_ONCE = 2;
/** Each answer causes some tenths of a millisecond of work, so the event loop gets a turn after this many. */
const ANSWERS_PER_TICK = 4;
/** How late after its deadline an item may be refused. */
const SWEEP_MS = 100;
const droppedAsLeft = requestsDropped.at({ reason: 'caller_left' });

/** Answers all members of a batch in their order, the first few at once and a few in each later tick. */
async function answerFewATick(count: number, answer: (index: number) => void): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    if (index > 0 && index % ANSWERS_PER_TICK === 0) await nextTick();
    answer(index);
  }
}

/**
 * A batch is sent at the end of the tick while fewer than `maxInFlight` statements are in flight, and otherwise grows
 * until one returns. If a member has an invalid value or is blocked by a row lock, the members run singly and only that
 * member fails. At its deadline an item is refused even while its statement runs, which may still take effect. An item
 * that could not be repeated then waits for its answer instead.
 */
export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const { clock, maxBatch, maxInFlight, deadlineMs, maxWaiting, isRepeatable } = options;
  const refusesInFlight = isRepeatable(deadlineMs);
  let waiting: Member<Item, Result>[] = [];
  let singles: Member<Item, Result>[] = [];
  /** The members of every statement in flight. */
  let statements: (readonly Member<Item, Result>[])[] = [];
  let inFlight = 0;
  let singlesInFlight = 0;
  let isScheduled = false;
  let isClosed = false;
  let sweep: NodeJS.Timeout | undefined;
  let onIdle: (() => void) | undefined;

  const isIdle = (): boolean => waiting.length + singles.length + inFlight + singlesInFlight === 0;

  function fail(member: Member<Item, Result>, err: unknown): void {
    member.state = 'settled';
    member.reject(err);
  }
  const refuse = (member: Member<Item, Result>, cause?: unknown): void =>
    fail(member, storeUnavailable({ retryAfterSeconds: 1, cause }));

  /** Whether the caller of a member still waits; rejects the member if not. */
  function isAwaited(member: Member<Item, Result>): boolean {
    if (member.state === 'settled') return false;
    const hasLeft = options.requestOf?.(member.item)?.hasLeft === true;
    if (hasLeft) droppedAsLeft.add(1);
    else if (clock.monotonic() < member.deadlineAt) return true;
    refuse(member);
    return false;
  }

  async function send(members: readonly Member<Item, Result>[]): Promise<void> {
    options.onBatch?.(members.length);
    for (const member of members) if (member.state === 'waiting') member.state = 'sent';
    const results = await withBatchSpan(
      options.name,
      { 'db.operation.batch.size': members.length },
      members.map((member) => member.trace),
      () => options.run(members.map((member) => member.item)),
    );
    for (const member of members) member.state = 'settled';
    await answerFewATick(members.length, (index) =>
      (members[index] as Member<Item, Result>).resolve(results[index] as Result),
    );
  }

  /** Sends the statement, and once more if its outcome is unknown and repeating is harmless. */
  async function sendOrRepeat(members: readonly Member<Item, Result>[]): Promise<void> {
    const sentAt = clock.monotonic();
    statements.push(members);
    try {
      await send(members);
    } catch (err) {
      if (failureOf(err) !== 'unknown' || !isRepeatable(clock.monotonic() - sentAt)) throw err;
      const awaited = members.filter(isAwaited);
      if (awaited.length > 0) await send(awaited);
    } finally {
      statements = statements.filter((others) => others !== members);
    }
  }

  function runAlone(member: Member<Item, Result>): void {
    if (!isAwaited(member)) return;
    member.state = 'waiting';
    singles.push(member);
  }

  async function runBatch(members: readonly Member<Item, Result>[]): Promise<void> {
    inFlight += 1;
    try {
      await sendOrRepeat(members);
    } catch (err) {
      const failure = failureOf(err);
      if (failure === 'member' || failure === 'blocked') for (const member of members) runAlone(member);
      else for (const member of members) failure === 'unknown' ? refuse(member, err) : fail(member, err);
    }
    inFlight -= 1;
    drain();
  }

  async function runSingle(member: Member<Item, Result>): Promise<void> {
    singlesInFlight += 1;
    try {
      await sendOrRepeat([member]);
    } catch (err) {
      const failure = failureOf(err);
      // Blocked again: runs the other members first, then retries until the deadline.
      if (failure === 'blocked') runAlone(member);
      else if (failure === 'unknown') refuse(member, err);
      else fail(member, err);
    }
    singlesInFlight -= 1;
    drain();
  }

  function drain(): void {
    while (singles.length > 0 && singlesInFlight < SINGLES_AT_ONCE) {
      const member = singles.shift() as Member<Item, Result>;
      if (isAwaited(member)) void runSingle(member);
    }
    if (waiting.length > 0 && inFlight < maxInFlight && !isScheduled) {
      isScheduled = true;
      setImmediate(flush);
    }
    if (isIdle()) onIdle?.();
  }

  function flush(): void {
    isScheduled = false;
    while (waiting.length > 0 && inFlight < maxInFlight) {
      const members = waiting.splice(0, maxBatch).filter(isAwaited);
      if (members.length > 0) void runBatch(members);
    }
    if (isIdle()) onIdle?.();
  }

  /** Rejects members whose deadline has passed. */
  function refuseExpired(): void {
    const now = clock.monotonic();
    const isWaiting = (member: Member<Item, Result>): boolean => member.state === 'waiting';
    for (const member of [...waiting, ...singles, ...statements.flat()]) {
      if (member.deadlineAt > now) continue;
      if (isWaiting(member) || (member.state === 'sent' && refusesInFlight)) refuse(member);
    }
    waiting = waiting.filter(isWaiting);
    singles = singles.filter(isWaiting);
    sweep = isIdle() ? undefined : setTimeout(refuseExpired, SWEEP_MS);
    drain();
  }

  return {
    submit: (item) => {
      if (isClosed || waiting.length >= maxWaiting) return Promise.reject(storeUnavailable({ retryAfterSeconds: 1 }));
      return new Promise((resolve, reject) => {
        const now = clock.monotonic();
        const trace = currentRequestTrace();
        const startedAt = performance.now();
        const settled =
          <Value>(settle: (value: Value) => void) =>
          (value: Value): void => {
            trace?.spendStoreTime(startedAt);
            settle(value);
          };
        const arrivedAt = Math.min(options.requestOf?.(item)?.arrivedAt ?? now, now);
        // What the request has waited for PostgreSQL before, it does not wait again.
        const deadlineAt = Math.min(arrivedAt + deadlineMs, now + (trace?.storeMsLeft ?? deadlineMs));
        const member: Member<Item, Result> = {
          ...{ item, trace, deadlineAt, state: 'waiting' as const },
          ...{ resolve: settled(resolve), reject: settled(reject) },
        };
        waiting.push(member);
        sweep ??= setTimeout(refuseExpired, SWEEP_MS);
        drain();
      });
    },
    close: async () => {
      isClosed = true;
      if (!isIdle())
        await new Promise<void>((resolve) => {
          onIdle = resolve;
        });
      clearTimeout(sweep);
    },
  };
}
