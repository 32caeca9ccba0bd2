import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Fence, Ports, Sql, Tx } from '#services/core/ports.ts';
import { allEnded } from '#services/core/shared/all-ended.ts';
import {
  type DeliveryOutcome,
  type DeliveryPace,
  isLastAttempt,
  messagePauseSeconds,
  OPENS_AFTER,
  openPauseSeconds,
} from '#services/core/shared/delivery-circuit.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';

/** A message that waits for a receiver. */
export type Message = {
  readonly id: string;
  /** Number of attempts, including the current one. */
  readonly attempts: number;
  /** Seconds since it was planned. */
  readonly ageSeconds: number;
};

/** How an attempt ended. `queued`: another queue sends the message, which says nothing of the receiver. */
export type Attempt = {
  readonly outcome: DeliveryOutcome | 'queued';
  /** Of the failure. */
  readonly code: string;
  /** Whether no other attempt can succeed. */
  readonly isLast?: boolean;
};

/** Messages to one receiver: where they wait, in which form and by which transport they are sent. */
export type Subscription<M extends Message> = {
  readonly pace: DeliveryPace;
  /** Messages that are sent concurrently. */
  readonly batch: number;
  /** Plans what waits, and says how the receiver did. In the transaction that claims. */
  plan(tx: Tx): Promise<{
    /** Failed batches in a row. */
    readonly failures: number;
    /** Whether nothing may be sent now, because the receiver failed repeatedly. */
    readonly isOpen: boolean;
  }>;
  /** Leases due messages for longer than any attempt takes, none that would overtake an earlier one. */
  claim(tx: Tx, limit: number): Promise<M[]>;
  /** Makes one attempt. What it throws is a failure of the receiver. */
  send(message: M, signal: AbortSignal): Promise<Attempt>;
  accept(sql: Sql, message: M): Promise<unknown>;
  /** False if a later attempt has taken the message. @param seconds null to give it up */
  postpone(sql: Sql, message: M, code: string, seconds: number | null): Promise<boolean>;
  recordGivenUp(tx: Tx, message: M, code: string): Promise<void>;
  /** Of the receiver: it gets nothing for this time. */
  fail(sql: Sql, pauseSeconds: number): Promise<void>;
  /** False if it had not failed. */
  recover(sql: Sql): Promise<boolean>;
  /** What failed does not wait any longer. */
  hasten(sql: Sql): Promise<void>;
  count(outcome: 'sent' | 'retried' | 'given_up'): void;
  countCircuit(event: 'opened' | 'closed'): void;
  /** The receiver, or a message to it, in the log: neither a URL nor an error, which may contain it. */
  fieldsOf(message?: M): object;
  /** What the log says: of a message, and of the receiver. */
  readonly words: { readonly failed: string; readonly down: string; readonly up: string };
};

export type SendBatchPorts = Pick<Ports, 'transact' | 'sql' | 'random' | 'log'> & HasKeyRing;

/**
 * Sends the messages that are due to one receiver, and returns how many it took. Delivery is at least once, with the same
 * id in each attempt; a failed message is retried with growing pauses, and given up when the receiver refuses it six times
 * or after three days. A receiver that fails three times in a row gets one message in at most a minute until it answers,
 * and then all that waited.
 */
export async function sendBatch<M extends Message>(
  ports: SendBatchPorts,
  subscription: Subscription<M>,
  { fence, signal }: { readonly fence: Fence; readonly signal: AbortSignal },
): Promise<number> {
  const { failures, messages } = await ports.transact(async (tx) => {
    await fence.hold(tx);
    const { failures: before, isOpen } = await subscription.plan(tx);
    const limit = before >= OPENS_AFTER ? 1 : subscription.batch;
    return { failures: before, messages: isOpen ? [] : await subscription.claim(tx, limit) };
  });
  if (messages.length === 0 || signal.aborted) return 0;
  await ports.keyRing.load();
  const ends = await allEnded(messages.map((message) => deliver(ports, subscription, message, signal)));
  const tried = ends.filter((end) => end !== 'queued');
  if (tried.length > 0 && tried.every((end) => end === 'unreachable')) await fail(ports, subscription, failures + 1);
  else if (tried.length > 0 && failures > 0) await recover(ports, subscription, failures);
  return messages.length;
}

/** Makes one attempt to send one message, and stores how it ended. */
async function deliver<M extends Message>(
  ports: SendBatchPorts,
  subscription: Subscription<M>,
  message: M,
  signal: AbortSignal,
): Promise<Attempt['outcome']> {
  const { outcome, code, isLast } = await subscription
    .send(message, signal)
    .catch((err: unknown): Attempt => ({ outcome: 'unreachable', code: errorCodeOf(err) }));
  if (outcome === 'queued') return outcome;
  if (outcome === 'accepted') {
    await subscription.accept(ports.sql, message);
    subscription.count('sent');
    return outcome;
  }
  const fields = { ...subscription.fieldsOf(message), failure: code, attempt: message.attempts };
  const { failed } = subscription.words;
  if (isLast !== true && !isLastAttempt(outcome, message)) {
    const pause = messagePauseSeconds(ports, message.attempts, subscription.pace);
    await subscription.postpone(ports.sql, message, code, pause);
    subscription.count('retried');
    ports.log.warn(fields, `${failed}; retrying`);
    return outcome;
  }
  await ports.transact(async (tx) => {
    if (await subscription.postpone(tx, message, code, null)) await subscription.recordGivenUp(tx, message, code);
  });
  subscription.count('given_up');
  ports.log.error(fields, `${failed}; giving up`);
  return outcome;
}

async function fail<M extends Message>(
  { sql, random, log }: SendBatchPorts,
  subscription: Subscription<M>,
  failures: number,
): Promise<void> {
  await subscription.fail(sql, openPauseSeconds({ random }, failures, subscription.pace));
  if (failures !== OPENS_AFTER) return;
  subscription.countCircuit('opened');
  log.error(subscription.fieldsOf(), subscription.words.down);
}

async function recover<M extends Message>(
  { sql, log }: SendBatchPorts,
  subscription: Subscription<M>,
  failures: number,
): Promise<void> {
  if (!(await subscription.recover(sql)) || failures < OPENS_AFTER) return;
  await subscription.hasten(sql);
  subscription.countCircuit('closed');
  log.info(subscription.fieldsOf(), subscription.words.up);
}
