import { z } from 'zod';

export type Schedule = {
  readonly everySeconds: number;
  /**
   * The job has a question, which says whether there is work: every worker asks it each second, and enqueues a run only
   * if there is. Without work a run follows once in this time, for what no question sees, such as old rows to remove.
   */
  readonly idleSeconds?: number;
};

/** A job: its name, queue, payload and retries. */
export type Job<Payload extends z.ZodType = z.ZodType> = {
  /** Verb-noun, the name of the use-case it runs. */
  readonly name: string;
  /** Jobs of one queue run one at a time, across all workers. */
  readonly queue: string;
  /** Ids only, readable by the previous release, without secrets and personal data. `{}` by default, as of a scheduled job. */
  readonly payload: Payload;
  /** Attempts before it becomes a dead letter; 5 by default. */
  readonly attempts: number;
  /** Delay before the second attempt, 5 by default; doubles with each attempt. */
  readonly backoffSeconds: number;
  readonly schedule?: Schedule;
  /** Health fails if the last success of a scheduled job is older, or if any other job waits longer; 300 by default. */
  readonly staleAfterSeconds: number;
  /** How long a dead worker keeps the queue from others; the setting JOB_LOCK_MS by default. */
  readonly lockSeconds?: number;
  /** A longer run is aborted and retried; 120 by default. */
  readonly timeoutSeconds: number;
  readonly meaning: string;
};

export type ScheduledJob = Job & { readonly schedule: Schedule };

const nothing = z.strictObject({});
const USUAL = { attempts: 5, backoffSeconds: 5, staleAfterSeconds: 300, timeoutSeconds: 120 } as const;

/** Declares a job: `defineJob({ name: 'seal-audit-events', queue: 'audit-seal', … })`. */
export const defineJob = <Payload extends z.ZodType = typeof nothing>(
  job: Pick<Job, 'name' | 'queue' | 'meaning'> & Partial<Job<Payload>>,
): Job<Payload> => ({ ...USUAL, payload: nothing as z.ZodType as Payload, ...job });

/** Declares a job that removes rows after their retention, once a day unless it says otherwise. */
export const defineCleanUp = (job: Pick<Job, 'name' | 'meaning'> & Partial<Job<typeof nothing>>): Job<typeof nothing> =>
  defineJob({
    queue: 'token-cleanup',
    backoffSeconds: 30,
    schedule: { everySeconds: 86_400 },
    staleAfterSeconds: 259_200,
    timeoutSeconds: 280,
    ...job,
  });

export const isScheduled = (job: Job): job is ScheduledJob => job.schedule !== undefined;

export type EnqueueOptions = {
  /** A job with this id is added only once while Redis knows it. Letters, digits, `.`, `-`, `_`. */
  readonly jobId?: string;
  /** At most one job with this key waits; another may run at the same time. */
  readonly dedupe?: string;
  readonly delayMs?: number;
  /** W3C traceparent of the job's span; by default that of the current request or job. */
  readonly traceparent?: string;
};

/**
 * Adds a job to Redis. Fails within half a second if Redis is unreachable: work that must happen is first stored in a row.
 * @throws queueUnavailable
 */
export type Enqueue = <Payload extends z.ZodType>(
  job: Job<Payload>,
  payload: z.input<Payload>,
  options?: EnqueueOptions,
) => Promise<{ readonly jobId: string }>;
