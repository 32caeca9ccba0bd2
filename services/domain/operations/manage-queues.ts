import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { queueChanged } from './audit-events.ts';

type QueueView = {
  readonly name: string;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly dead: number;
  /** Waiting time of the job at the head of the queue. */
  readonly oldest_age_seconds: number;
  /** Workers that are consuming the queue. */
  readonly workers: number;
};

/** A job that used up its attempts, or whose workers crashed too often. */
export type DeadLetter = {
  readonly queue: string;
  readonly job_id: string;
  readonly job: string;
  /** Error code or class name. */
  readonly code: string;
  readonly attempts: number;
  readonly failed_at: string;
};

/** Queue administration. If Redis is unreachable, every call rejects within its deadline. */
export type QueueAdmin = {
  queues(): Promise<QueueView[]>;
  /** Newest first, of one queue or of all. */
  deadLetters(limit: number, queue?: string): Promise<DeadLetter[]>;
  /** False if the dead letter no longer exists. */
  retry(letter: Pick<DeadLetter, 'queue' | 'job_id'>): Promise<boolean>;
  /** Removes waiting jobs, not running ones, and returns how many. */
  drain(queue: string): Promise<number>;
};

type QueuePorts = Pick<Ports, 'transact'> & { readonly queueAdmin: QueueAdmin };

export type QueueChange = {
  /** `retry`, `drain`, `clean`, `promote`, `pause`, `resume`. */
  readonly action: string;
  readonly queue: string;
  readonly jobId?: string | undefined;
};

/** Records a change before the call to Redis: the two commit separately, and no change may go unrecorded. */
export async function recordQueueChange(
  ports: Pick<Ports, 'transact'>,
  { action, queue, jobId }: QueueChange,
  caller: Caller,
): Promise<void> {
  const detail = { action, ...(jobId === undefined ? {} : { job_id: jobId.slice(0, 200) }) };
  const target = { kind: 'queue', id: queue.slice(0, 64) } as const;
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
