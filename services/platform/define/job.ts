import type { z } from 'zod';
import type { JobName, QueueName } from '#observability/metrics/queue.ts';

/** A job: what it is called, where it waits, what it is given and how often it may fail. */
export type Job<Payload extends z.ZodType = z.ZodType> = {
  /** Verb-noun, as the use-case it runs. */
  readonly name: JobName;
  /** Jobs of one queue run one after the other, over all workers. */
  readonly queue: QueueName;
  /** Ids, never facts: readable by the previous release, free of secrets and personal data. `{}` where it is scheduled. */
  readonly payload: Payload;
  /** Attempts before it becomes a dead letter. */
  readonly attempts: number;
  /** Before the second attempt; doubles with each. */
  readonly backoffSeconds: number;
  readonly schedule?: { readonly everySeconds: number };
  /** Scheduled: health turns bad when the last success is older. Otherwise: when the oldest one waits longer. */
  readonly staleAfterSeconds: number;
  /** A run that takes longer is aborted and retried. */
  readonly timeoutSeconds: number;
  readonly meaning: string;
};

export type ScheduledJob = Job & { readonly schedule: { readonly everySeconds: number } };

/** Declares a job: `defineJob({ name: 'seal-audit-events', queue: 'audit-seal', payload: z.strictObject({}), … })`. */
export function defineJob<Payload extends z.ZodType>(job: Job<Payload>): Job<Payload> {
  return job;
}

export const isScheduled = (job: Job): job is ScheduledJob => job.schedule !== undefined;

export type EnqueueOptions = {
  /** The same id of the same job is added once, for as long as it is known: letters, digits, `.`, `-`, `_`. */
  readonly jobId?: string;
  /** While one of this name waits no other is added; while one runs, one more is. */
  readonly dedupe?: string;
  readonly delayMs?: number;
  /** W3C traceparent the job's span belongs to; that of the request or job in progress unless given. */
  readonly traceparent?: string;
};

/**
 * Hands a job to Redis. Fails within half a second where Redis is out of reach: what must happen is first a row.
 * @throws queueUnavailable
 */
export type Enqueue = <Payload extends z.ZodType>(
  job: Job<Payload>,
  payload: z.input<Payload>,
  options?: EnqueueOptions,
) => Promise<{ readonly jobId: string }>;
