import { setTimeout as sleep } from 'node:timers/promises';
import { type Job as BullJob, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import { connectConsumer, QUEUE_PREFIX } from './connection.ts';
import { type JobData, STALLED_TO_DEATH } from './job-data.ts';

/** One attempt at one job. */
export type Delivery = {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  /** From 1. */
  readonly attempt: number;
  readonly attempts: number;
  /** Unix milliseconds by the producer's clock. */
  readonly dueAtMs: number;
  /** Aborted when the lock is lost, because another worker may then run the job. */
  readonly signal: AbortSignal;
  progress(percent: number): Promise<void>;
};

/** `code` is stored with the job: an error code or class name, never a message. */
export type JobOutcome =
  | { readonly kind: 'done' }
  /** Returns the job to the head of the queue, without counting an attempt. */
  | { readonly kind: 'later' }
  | { readonly kind: 'retry'; readonly code: string }
  | { readonly kind: 'dead'; readonly code: string };

export type ConsumerOptions = {
  readonly queue: string;
  readonly redisUrl: string;
  /** How long a lock on a job lasts without renewal. After that another worker takes the job. */
  readonly lockMs: number;
  readonly handle: (delivery: Delivery) => Promise<JobOutcome>;
  /** Called for a job that became a dead letter without a run here, because its workers died too often. */
  readonly onStalledToDeath: (name: string, id: string) => void;
  readonly onStalled: () => void;
  readonly onError: (err: Error) => void;
};

export type Consumer = {
  readonly queue: string;
  readonly isRunning: () => boolean;
  /** Returns jobs to the queue whose lock has expired: their worker died. It sees that at the second call of two. */
  readonly recover: () => Promise<void>;
  /** Stops taking jobs; resolves when the running ones have ended. */
  close(): Promise<void>;
};

/** Number of times a job's worker may die before the job becomes a dead letter. */
const STALLS_MAX = 3;

/** Workers beside each other look for dead ones once in this time together. */
const RECOVER_MS = 100;

/** Takes jobs of one queue, one at a time, until closed; waits for Redis without a limit. */
export function startConsumer(options: ConsumerOptions): Consumer {
  const { queue, lockMs, onError } = options;
  const connection = connectConsumer(options.redisUrl, onError);
  let runningCount = 0;
  // BullMQ passes the signal only to a function that declares three parameters.
  const process = async (job: BullJob<JobData>, token?: string, signal?: AbortSignal): Promise<void> => {
    runningCount += 1;
    const outcome = await options.handle({
      id: job.id as string,
      name: job.name,
      data: job.data,
      attempt: job.attemptsMade + 1,
      attempts: job.opts.attempts ?? 1,
      dueAtMs: job.timestamp + (job.opts.delay ?? 0),
      signal: signal as AbortSignal,
      progress: (percent) => job.updateProgress(percent),
    });
    runningCount -= 1;
    if (outcome.kind === 'done') return;
    if (outcome.kind === 'later') {
      await job.moveToWait(token);
      throw new WaitingError();
    }
    const failure = outcome.kind === 'dead' ? new UnrecoverableError(outcome.code) : new Error(outcome.code);
    // BullMQ stores the stack in Redis with the job; it must contain no frames and paths.
    failure.stack = outcome.code;
    throw failure;
  };
  const worker = new Worker<JobData>(queue, process, {
    connection,
    prefix: QUEUE_PREFIX,
    skipVersionCheck: true,
    concurrency: 1,
    lockDuration: lockMs,
    // `recover` is called instead, for all queues by one timer, while jobs are active.
    skipStalledCheck: true,
    stalledInterval: RECOVER_MS,
    maxStalledCount: STALLS_MAX,
    // Seconds for which an idle worker blocks before it polls again: a new job, or one that becomes due, ends that. And
    // milliseconds after a lost connection.
    drainDelay: 30,
    runRetryDelay: 500,
  });
  worker.on('error', onError);
  worker.on('lockRenewalFailed', (ids: string[]) => {
    for (const id of ids) worker.cancelJob(id, 'lock lost');
  });
  worker.on('failed', (job, err) => {
    if (job && err instanceof UnrecoverableError && STALLED_TO_DEATH.test(err.message))
      options.onStalledToDeath(job.name, job.id as string);
  });
  return {
    queue,
    isRunning: () => worker.isRunning() && !worker.closing,
    recover: async () => {
      for (const _job of await worker.getBackend().moveStalledJobsToWait()) options.onStalled();
    },
    close: async () => {
      const closed = worker.close().catch(onError);
      // BullMQ would wait for an unreachable Redis; with no running job a forced close loses nothing.
      const isPointless = async (): Promise<void> => {
        while (runningCount > 0 || connection.status === 'ready') await sleep(50);
      };
      await Promise.race([closed, isPointless()]);
      await worker.getBackend().disconnectBlocking(false);
      connection.disconnect();
    },
  };
}
