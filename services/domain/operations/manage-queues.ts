import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { queueChanged } from './audit-events.ts';

type QueueView = {
  readonly name: string;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly dead: number;
  /** How long the job at the head of the queue has waited. */
  readonly oldest_age_seconds: number;
  /** Workers that consume it now. */
  readonly workers: number;
};

/** A job that failed for good, or whose workers died too often. */
export type DeadLetter = {
  readonly queue: string;
  readonly job_id: string;
  readonly job: string;
  /** Error code or class name. */
  readonly code: string;
  readonly attempts: number;
  readonly failed_at: string;
};

/** The queues as an operator handles them. Every call rejects within its deadline when Redis is out of reach. */
export type QueueAdmin = {
  queues(): Promise<QueueView[]>;
  /** Newest first, of one queue or all. */
  deadLetters(limit: number, queue?: string): Promise<DeadLetter[]>;
  /** False when there is no such dead letter any more. */
  retry(letter: Pick<DeadLetter, 'queue' | 'job_id'>): Promise<boolean>;
  /** Removes what waits, not what runs; how many there were. */
  drain(queue: string): Promise<number>;
};

type QueuePorts = Pick<Ports, 'transact'> & { readonly queueAdmin: QueueAdmin };

export type QueueChange = {
  /** `retry`, `drain`, `clean`, `promote`, `pause`, `resume`. */
  readonly action: string;
  readonly queue: string;
  readonly jobId?: string | undefined;
};

/** Says in the audit log what is about to be asked of Redis: the two commit apart, and no change shall go unsaid. */
export async function recordQueueChange(
  ports: Pick<Ports, 'transact'>,
  { action, queue, jobId }: QueueChange,
  caller: Caller,
): Promise<void> {
  const detail = { action, ...(jobId === undefined ? {} : { job_id: jobId.slice(0, 200) }) };
  const target = { kind: 'queue', id: queue.slice(0, 64) } as const;
  await ports.transact((tx) => recordEvent(tx, caller, queueChanged, { outcome: 'requested', target, detail }));
}

/** Gives dead letters their tries again. @returns those that are back in their queue */
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

/** Removes the jobs that wait in a queue. Scheduled ones come back with the next check of the timetable. */
export async function drainQueue(ports: QueuePorts, queue: string, caller: Caller): Promise<number> {
  await recordQueueChange(ports, { action: 'drain', queue }, caller);
  return ports.queueAdmin.drain(queue);
}
