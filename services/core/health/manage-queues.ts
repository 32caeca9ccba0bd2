import { cutText } from '#services/platform/define/cut-text.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { queueChanged } from './audit-events.ts';
import type { DeadLetter, FoundDeadLetter, QueueView } from './queues-contract.ts';

type Letter = Pick<DeadLetter, 'queue' | 'job_id'>;

/** Queue administration. If Redis is unreachable, every call rejects within its deadline. */
export type QueueAdmin = {
  queues(): Promise<QueueView[]>;
  /** Newest first, of one queue or of all. @param until those that failed then or before, as RFC 3339 in UTC */
  deadLetters(limit: number, queue?: string, until?: string): Promise<DeadLetter[]>;
  /** Undefined if there is no such dead letter. */
  deadLetter(letter: Letter): Promise<FoundDeadLetter | undefined>;
  /** False if the dead letter no longer exists. */
  retry(letter: Letter): Promise<boolean>;
  /** Removes it for good. False if the dead letter no longer exists. */
  discard(letter: Letter): Promise<boolean>;
  /** Removes waiting jobs, not running ones, and returns how many. */
  drain(queue: string): Promise<number>;
};

type QueuePorts = Pick<Ports, 'transact'> & { readonly queueAdmin: QueueAdmin };

type QueueChange = {
  /** `retry`, `discard`, `drain`, `clean`, `promote`, `pause`, `resume`. */
  readonly action: string;
  readonly queue: string;
  readonly jobId?: string | undefined;
  readonly reason?: string | undefined;
};

/** Records a change before the call to Redis: the two commit separately, and no change may go unrecorded. */
export async function recordQueueChange(
  ports: Pick<Ports, 'transact'>,
  { action, queue, jobId, reason }: QueueChange,
  caller: Caller,
): Promise<void> {
  const detail = {
    action,
    ...(jobId === undefined ? {} : { job_id: cutText(jobId, 200) }),
    ...(reason === undefined ? {} : { reason }),
  };
  const target = { kind: 'queue', id: cutText(queue, 64) } as const;
  await ports.transact((tx) => recordEvent(tx, caller, queueChanged, { outcome: 'requested', target, detail }));
}

/** Requeues dead letters with a full number of attempts. @returns those that are back in their queue */
export async function retryDeadLetters(
  ports: QueuePorts,
  letters: readonly DeadLetter[],
  caller: Caller,
): Promise<DeadLetter[]> {
  const retried: DeadLetter[] = [];
  for (const letter of letters) {
    await recordQueueChange(ports, { action: 'retry', queue: letter.queue, jobId: letter.job_id }, caller);
    if (await ports.queueAdmin.retry(letter)) retried.push(letter);
  }
  return retried;
}

/** Removes the waiting jobs of a queue. Scheduled jobs return at the next check of the timetable. */
export async function drainQueue(ports: QueuePorts, queue: string, caller: Caller): Promise<number> {
  await recordQueueChange(ports, { action: 'drain', queue }, caller);
  return ports.queueAdmin.drain(queue);
}
