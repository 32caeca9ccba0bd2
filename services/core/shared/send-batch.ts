import { errorCodeOf } from '#services/platform/define/error-code.ts';
import type { Fence, Ports, Sql, Tx } from '../ports.ts';

export type Message = {
  readonly id: string;
  /** Number of attempts, including the current one. */
  readonly attempts: number;
  /** Seconds since it was planned. */
  readonly age_seconds: number;
};

/** How failed messages are retried. */
export type Pace = {
  readonly firstPauseSeconds: number;
  readonly longestPauseSeconds: number;
  /** The failure of an older message is its last one. */
  readonly givenUpSeconds: number;
};

/** How an attempt ended. */
export type Attempt = {
  /** The last two are failures: of this message only, and of the receiver. */
  readonly outcome: 'accepted' | 'rejected' | 'unreachable';
  /** Of the failure. */
  readonly code: string;
  /** Whether no other attempt can succeed. */
  readonly isLast?: boolean;
};

export const ACCEPTED: Attempt = { outcome: 'accepted', code: '' };

/** How the receiver of messages does. */
export type Circuit = {
  /** Failed batches in a row. */
  readonly failures: number;
  /** Whether nothing may be sent now, because the receiver failed repeatedly. */
  readonly is_open: boolean;
};

/** One receiver of all messages of a subscription: while it is down, they wait for it. */
export type Receiver = {
  /** Plans what waits, and says how the receiver did. Before messages are claimed, in the same transaction. */
  plan(tx: Tx): Promise<Circuit>;
  /** It gets nothing for this time. */
  fail(sql: Sql, pauseSeconds: number): Promise<void>;
  /** False if it had not failed. */
  recover(sql: Sql): Promise<boolean>;
  /** What failed does not wait any longer. */
  hasten(sql: Sql): Promise<void>;
  countCircuit(event: 'opened' | 'closed'): void;
  /** In the log: neither a URL nor an error, which may contain it. */
  readonly fields: object;
  readonly down: string;
  readonly up: string;
};

/** Messages of one kind: where they wait, in which form and by which transport they are sent. */
export type Subscription<M extends Message> = {
  readonly pace: Pace;
  /** Messages that are sent concurrently. */
  readonly batch: number;
  /** Left out where each message is retried for itself, whatever becomes of the others. */
  readonly receiver?: Receiver;
  /** Leases due messages for longer than any attempt takes, none that would overtake an earlier one. */
  claim(tx: Tx, limit: number): Promise<M[]>;
  /** Loads what signs them. */
  prepare?(): Promise<void>;
  /** Makes an attempt, and stores its end, in the trace of what caused the message. */
  inTrace?<T>(message: M, attempt: () => Promise<T>): Promise<T>;
  /**
   * Makes one attempt. What it throws is a failure of the receiver. Null if it made none: a later attempt has taken the
   * message, another queue sends it, or there is nothing to send any more.
   */
  send(message: M, signal: AbortSignal): Promise<Attempt | null>;
  accept(message: M): Promise<unknown>;
  /** False if a later attempt has taken the message. @param seconds null to give it up */
  postpone(sql: Sql, message: M, code: string, seconds: number | null): Promise<boolean>;
  /** Ends the lease and does not count the attempt: the run ended before the message was sent. */
  giveBack(sql: Sql, message: M): Promise<unknown>;
  recordGivenUp?(tx: Tx, message: M, code: string): Promise<void>;
  count(outcome: 'sent' | 'retried' | 'given_up', message: M): void;
  /** The message in the log: neither a URL nor an address. */
  fieldsOf(message: M): object;
  /** What the log says of one that failed. */
  readonly failed: string;
};

type SendBatchPorts = Pick<Ports, 'transact' | 'sql' | 'random' | 'log'>;
type Run = { readonly fence: Fence; readonly signal: AbortSignal };

/** Of messages to services: a service that was down for a weekend misses none. */
export const DELIVERY_PACE: Pace = { firstPauseSeconds: 2, longestPauseSeconds: 300, givenUpSeconds: 3 * 86_400 };
/** Longer than any attempt by HTTP: if the worker dies, the message is sent again after this time. */
export const LEASE_SECONDS = 30;
/** Failed batches in a row after which a receiver counts as down. */
const OPENS_AFTER = 3;
/** A receiver that is down gets one request in this time. */
const LONGEST_OPEN_SECONDS = 60;
/** Attempts at a message that the receiver itself refuses. */
export const REJECTIONS_MAX = 6;
/** Answers that are about this message. All others, such as 401 or 404, are about the receiver and its settings. */
const REJECTIONS: ReadonlySet<number> = new Set([400, 409, 410, 413, 415, 422]);
/** Half the time limit of the jobs: what is left then is sent by the next run. */
const RUN_MS = 60_000;

export const attemptOf = (status: number): Attempt => ({
  outcome: status >= 200 && status < 300 ? 'accepted' : REJECTIONS.has(status) ? 'rejected' : 'unreachable',
  code: `http_${status}`,
});

/**
 * Seconds until the next attempt. Doubles with each attempt. Up to a quarter longer or shorter, so that what failed
 * together spreads out.
 * @param attempts number of attempts so far, at least one
 */
export function retryPauseSeconds({ random }: Pick<Ports, 'random'>, attempts: number, first: number, longest: number) {
  const pause = Math.min(longest, first * 2 ** Math.min(attempts - 1, 20));
  return pause * (0.75 + random.bytes(2).readUInt16BE() / 2 ** 17);
}

/** Sends batches until none is due, `signal` aborts or the time of a run is over. Returns how many messages it took. */
export async function sendDue<M extends Message>(
  ports: SendBatchPorts & Pick<Ports, 'clock'>,
  subscription: Subscription<M>,
  run: Run,
): Promise<number> {
  const startedAt = ports.clock.monotonic();
  let taken = 0;
  for (;;) {
    const batch = await sendBatch(ports, subscription, run);
    taken += batch;
    if (batch === 0 || ports.clock.monotonic() - startedAt >= RUN_MS) return taken;
    // Messages that wait for no other one: all that were due were in it.
    if (subscription.receiver === undefined && batch < subscription.batch) return taken;
  }
}

/**
 * Sends the messages that are due, and returns how many it took. Delivery is at least once, with the same id in each
 * attempt; a failed message is retried with growing pauses, and given up when the receiver refuses it six times or when it
 * is too old. A receiver that fails three times in a row gets one message in at most a minute until it answers, and then
 * all that waited.
 */
export async function sendBatch<M extends Message>(
  ports: SendBatchPorts,
  subscription: Subscription<M>,
  { fence, signal }: Run,
): Promise<number> {
  if (signal.aborted) return 0;
  const { receiver, batch } = subscription;
  const { failures, messages } = await ports.transact(async (tx) => {
    await fence.hold(tx);
    const { failures: before, is_open: isOpen } = (await receiver?.plan(tx)) ?? { failures: 0, is_open: false };
    const limit = before >= OPENS_AFTER ? 1 : batch;
    return { failures: before, messages: isOpen ? [] : await subscription.claim(tx, limit) };
  });
  if (messages.length === 0) return 0;
  await subscription.prepare?.();
  const ends = await allEnded(messages.map((message) => attempt(ports, subscription, message, signal)));
  const tried = ends.filter((end) => end !== null);
  if (receiver === undefined || tried.length === 0) return messages.length;
  if (tried.every((end) => end === 'unreachable')) await fail(ports, subscription, receiver, failures + 1);
  else if (failures > 0) await recover(ports, receiver, failures);
  return messages.length;
}

const attempt = <M extends Message>(
  ports: SendBatchPorts,
  subscription: Subscription<M>,
  message: M,
  signal: AbortSignal,
): Promise<Attempt['outcome'] | null> => {
  const make = () => deliver(ports, subscription, message, signal);
  return subscription.inTrace?.(message, make) ?? make();
};

/** Makes one attempt to send one message, and stores how it ended. */
async function deliver<M extends Message>(
  ports: SendBatchPorts,
  subscription: Subscription<M>,
  message: M,
  signal: AbortSignal,
): Promise<Attempt['outcome'] | null> {
  const { pace, failed } = subscription;
  if (signal.aborted) return takeBack(ports, subscription, message);
  const end = await subscription
    .send(message, signal)
    .catch((err: unknown): Attempt => ({ outcome: 'unreachable', code: errorCodeOf(err) }));
  if (end === null) return null;
  const { outcome, code, isLast } = end;
  if (outcome === 'accepted') {
    await subscription.accept(message);
    subscription.count('sent', message);
    return outcome;
  }
  const { attempts, age_seconds: ageSeconds } = message;
  const fields = { ...subscription.fieldsOf(message), failure: code, attempt: attempts };
  const isRefused = outcome === 'rejected' && attempts >= REJECTIONS_MAX;
  if (isLast !== true && !isRefused && ageSeconds <= pace.givenUpSeconds) {
    const pause = retryPauseSeconds(ports, attempts, pace.firstPauseSeconds, pace.longestPauseSeconds);
    await subscription.postpone(ports.sql, message, code, pause);
    subscription.count('retried', message);
    ports.log.warn(fields, `${failed}; retrying`);
    // What the end of the run broke off counts as an attempt, but the receiver did not fail.
    return signal.aborted ? null : outcome;
  }
  await ports.transact(async (tx) => {
    if (await subscription.postpone(tx, message, code, null)) await subscription.recordGivenUp?.(tx, message, code);
  });
  subscription.count('given_up', message);
  ports.log.error(fields, `${failed}; giving up`);
  return outcome;
}

/** Nothing was sent: the message keeps its attempts. */
async function takeBack<M extends Message>(
  { sql }: SendBatchPorts,
  { giveBack }: Subscription<M>,
  message: M,
): Promise<null> {
  await giveBack(sql, message);
  return null;
}

async function fail<M extends Message>(
  ports: SendBatchPorts,
  { pace }: Subscription<M>,
  receiver: Receiver,
  failures: number,
): Promise<void> {
  const opens = failures - OPENS_AFTER + 1;
  const pause = opens > 0 ? retryPauseSeconds(ports, opens, pace.firstPauseSeconds, LONGEST_OPEN_SECONDS) : 0;
  await receiver.fail(ports.sql, pause);
  if (opens !== 1) return;
  receiver.countCircuit('opened');
  ports.log.error(receiver.fields, receiver.down);
}

async function recover({ sql, log }: SendBatchPorts, receiver: Receiver, failures: number): Promise<void> {
  if (!(await receiver.recover(sql)) || failures < OPENS_AFTER) return;
  await receiver.hasten(sql);
  receiver.countCircuit('closed');
  log.info(receiver.fields, receiver.up);
}

/**
 * The results of concurrent work. If one part fails, the others end before this rejects: no part goes on after the run
 * to which it belongs.
 */
export async function allEnded<T>(parts: readonly T[]): Promise<Awaited<T>[]> {
  await Promise.allSettled(parts);
  return Promise.all(parts);
}
