import { currentRequestTrace, type RequestTrace, withBatchSpan } from '../../../observability/http-span.ts';
import { storeUnavailable } from '../../platform/errors.ts';
import type { Clock } from '../ports.ts';
import { failureOf } from './statement-failure.ts';

export type BatcherOptions<Item, Result> = {
  /** Span name of one statement. */
  readonly name: string;
  /** Runs one statement for all items; results in their order. All or nothing: it throws only when none took effect,
   * or when nobody can tell. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly clock: Clock;
  readonly maxBatch: number;
  /** Statements in flight at once, before a batch grows instead. */
  readonly lanes: number;
  /** From submission to 503, milliseconds. */
  readonly deadlineMs: number;
  /** Items waiting at once; more are refused with 503. */
  readonly maxWaiting: number;
  /**
   * Whether a statement whose outcome nobody knows (connection lost after sending) may be sent once more.
   * Only where a second run of a committed one changes nothing that matters.
   */
  readonly isRepeatable: (elapsedMs: number) => boolean;
  readonly onBatch?: (size: number) => void;
};

/** Group commit: concurrent items share a statement, and its commit. */
export type Batcher<Item, Result> = {
  /** Rejects with `storeUnavailable` (503) at the deadline or when too many wait; any other error is the item's own. */
  submit(item: Item): Promise<Result>;
  /** Refuses new items and waits for those submitted. */
  close(): Promise<void>;
};

type Member<Item, Result> = {
  readonly item: Item;
  readonly trace: RequestTrace | undefined;
  readonly submittedAt: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (err: unknown) => void;
};

/** Members of a failed batch that run on their own at once, beside the lanes: a blocked one must not hold up the rest. */
const SINGLES_AT_ONCE = 2;

/**
 * No timer: a batch leaves at the end of the turn when a lane is free, else it grows, so that a lone item waits for
 * nothing. When a member is at fault (bad value) or blocked (row lock), the members run singly and only it suffers.
 */
export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const { clock, maxBatch, lanes, deadlineMs, maxWaiting } = options;
  let waiting: Member<Item, Result>[] = [];
  const singles: Member<Item, Result>[] = [];
  let inFlight = 0;
  let singlesInFlight = 0;
  let isScheduled = false;
  let isClosed = false;
  let sweep: NodeJS.Timeout | undefined;
  let onIdle: (() => void) | undefined;

  const hasExpired = (member: Member<Item, Result>): boolean => clock.monotonic() - member.submittedAt >= deadlineMs;
  const refuse = (member: Member<Item, Result>, cause?: unknown): void =>
    member.reject(storeUnavailable({ retryAfterSeconds: 1, cause }));

  const send = async (members: readonly Member<Item, Result>[]): Promise<void> => {
    options.onBatch?.(members.length);
    const results = await withBatchSpan(
      options.name,
      { 'db.operation.batch.size': members.length },
      members.map((member) => member.trace),
      () => options.run(members.map((member) => member.item)),
    );
    for (const [index, member] of members.entries()) member.resolve(results[index] as Result);
  };

  /** Sends, and once more when the outcome is unknown and a repetition harmless. */
  const sendOrRepeat = async (members: readonly Member<Item, Result>[]): Promise<void> => {
    const sentAt = clock.monotonic();
    try {
      await send(members);
    } catch (err) {
      if (failureOf(err) !== 'unknown' || !options.isRepeatable(clock.monotonic() - sentAt)) throw err;
      await send(members);
    }
  };

  async function runBatch(members: readonly Member<Item, Result>[]): Promise<void> {
    inFlight += 1;
    try {
      await sendOrRepeat(members);
    } catch (err) {
      const failure = failureOf(err);
      if (failure === 'member' || failure === 'blocked') singles.push(...members);
      else for (const member of members) member.reject(failure === 'unknown' ? storeUnavailableOf(err) : err);
      drainSingles();
    } finally {
      inFlight -= 1;
      schedule();
    }
  }

  async function runSingle(member: Member<Item, Result>): Promise<void> {
    singlesInFlight += 1;
    try {
      await sendOrRepeat([member]);
    } catch (err) {
      const failure = failureOf(err);
      if (failure === 'blocked' && !hasExpired(member)) singles.push(member);
      else member.reject(failure === 'blocked' || failure === 'unknown' ? storeUnavailableOf(err) : err);
    } finally {
      singlesInFlight -= 1;
      drainSingles();
      schedule();
    }
  }

  const storeUnavailableOf = (cause: unknown): Error => storeUnavailable({ retryAfterSeconds: 1, cause });

  function drainSingles(): void {
    while (singlesInFlight < SINGLES_AT_ONCE) {
      const member = singles.shift();
      if (member === undefined) return;
      if (hasExpired(member)) refuse(member);
      else void runSingle(member);
    }
  }

  /** Refuses at their deadline those who wait while every lane is held. */
  function refuseExpired(): void {
    sweep = undefined;
    while (waiting[0] !== undefined && hasExpired(waiting[0])) refuse(waiting.shift() as Member<Item, Result>);
    armSweep();
  }

  function armSweep(): void {
    const oldest = waiting[0];
    if (oldest === undefined || sweep !== undefined) return;
    sweep = setTimeout(refuseExpired, Math.max(1, oldest.submittedAt + deadlineMs - clock.monotonic()));
  }

  function flush(): void {
    isScheduled = false;
    while (waiting.length > 0 && inFlight < lanes) {
      const members = waiting.length <= maxBatch ? waiting : waiting.slice(0, maxBatch);
      waiting = waiting.length <= maxBatch ? [] : waiting.slice(maxBatch);
      void runBatch(members);
    }
    armSweep();
  }

  function schedule(): void {
    if (waiting.length === 0) {
      if (inFlight + singlesInFlight + singles.length === 0) onIdle?.();
      return;
    }
    if (isScheduled || inFlight >= lanes) return;
    isScheduled = true;
    setImmediate(flush);
  }

  return {
    submit: (item) => {
      if (isClosed || waiting.length >= maxWaiting) return Promise.reject(storeUnavailable({ retryAfterSeconds: 1 }));
      return new Promise((resolve, reject) => {
        waiting.push({ item, trace: currentRequestTrace(), submittedAt: clock.monotonic(), resolve, reject });
        schedule();
      });
    },
    close: async () => {
      isClosed = true;
      if (waiting.length + inFlight + singlesInFlight + singles.length > 0)
        await new Promise<void>((resolve) => {
          onIdle = resolve;
        });
      clearTimeout(sweep);
    },
  };
}
