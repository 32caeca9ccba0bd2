import { once } from 'node:events';
import { type JobsOptions, Queue } from 'bullmq';
import { currentTraceparent } from '#observability/http-span.ts';
import type { Enqueue, Job } from '../define/job.ts';
import { queueUnavailable } from '../errors.ts';
import { connectProducer, QUEUE_PREFIX } from './connection.ts';
import { type JobData, jobIdOf } from './job-data.ts';

/** A few finished jobs are kept for inspection and to recognise a repeated id; dead letters are kept for a month. */
const KEEP_COMPLETED = { age: 86_400, count: 200 };
const KEEP_DEAD = { age: 30 * 86_400, count: 10_000 };

export type Producer = {
  readonly enqueue: Enqueue;
  /** The queue of this name, for reading; its commands also fail fast. */
  readonly queue: (name: string) => Queue<JobData>;
  /** Whether Redis knows all of these jobs. False for none. */
  readonly knows: (jobs: readonly { readonly job: Job; readonly ownId: string }[]) => Promise<boolean>;
  /** Those of the queues that have a job which a worker has taken. */
  readonly active: (queues: readonly string[]) => Promise<readonly string[]>;
  /** How many dead letters of a queue failed after this time, in Unix milliseconds. */
  readonly countDeadAfter: (name: string, unixMs: number) => Promise<number>;
  readonly isReady: () => boolean;
  /** Resolves once Redis answers. @throws queueUnavailable after the timeout */
  ready(withinMs: number): Promise<void>;
  close(): Promise<void>;
};

const optionsOf = (job: Job): JobsOptions => ({
  attempts: job.attempts,
  backoff: { type: 'exponential', delay: job.backoffSeconds * 1_000, jitter: 0.5 },
  removeOnComplete: KEEP_COMPLETED,
  removeOnFail: KEEP_DEAD,
  stackTraceLimit: 0,
  sizeLimit: 65_536,
});

/** Connects in the background; while Redis is unreachable, adding fails within half a second and buffers nothing. */
export function createProducer(
  redisUrl: string,
  onError: (err: Error) => void,
  onEnqueue: (job: Job, outcome: 'added' | 'unreachable') => void = () => {},
): Producer {
  const connection = connectProducer(redisUrl, onError);
  const queues = new Map<string, Queue<JobData>>();
  const queue = (name: string): Queue<JobData> => {
    let known = queues.get(name);
    if (known === undefined) {
      // Without skipWaitingForReady, adding would wait for a Redis that has never answered.
      known = new Queue<JobData>(name, {
        connection,
        prefix: QUEUE_PREFIX,
        skipVersionCheck: true,
        skipWaitingForReady: true,
        skipMetasUpdate: true,
      });
      known.on('error', onError);
      queues.set(name, known);
    }
    return known;
  };
  const enqueue: Enqueue = async (job, payload, options = {}) => {
    const data: JobData = { payload, traceparent: options.traceparent ?? currentTraceparent() ?? '' };
    try {
      const added = await queue(job.queue).add(job.name, data, {
        ...optionsOf(job),
        ...(options.jobId === undefined ? {} : { jobId: jobIdOf(job.name, options.jobId) }),
        ...(options.delayMs === undefined ? {} : { delay: options.delayMs }),
        ...(options.dedupe === undefined ? {} : { deduplication: { id: options.dedupe, keepLastIfActive: true } }),
      });
      onEnqueue(job, 'added');
      return { jobId: added.id as string };
    } catch (cause) {
      onEnqueue(job, 'unreachable');
      throw queueUnavailable({ retryAfterSeconds: 1, cause });
    }
  };
  return {
    enqueue,
    queue,
    knows: async (jobs) => {
      const keys = jobs.map(({ job, ownId }) => queue(job.queue).toKey(jobIdOf(job.name, ownId)));
      return keys.length > 0 && (await connection.exists(keys)) === keys.length;
    },
    active: async (names) => {
      const isActive = async (...of: readonly string[]): Promise<boolean> =>
        (await connection.exists(of.map((name) => queue(name).toKey('active')))) > 0;
      if (!(await isActive(...names))) return [];
      const answers = await Promise.all(names.map((name) => isActive(name)));
      return names.filter((_name, at) => answers[at]);
    },
    countDeadAfter: (name, unixMs) => connection.zcount(queue(name).toKey('failed'), `(${unixMs}`, '+inf'),
    isReady: () => connection.status === 'ready',
    ready: async (withinMs) => {
      if (connection.status === 'ready') return;
      await once(connection, 'ready', { signal: AbortSignal.timeout(withinMs) }).catch((cause: unknown) => {
        throw queueUnavailable({ cause });
      });
    },
    close: async () => {
      await Promise.allSettled([...queues.values()].map((each) => each.close()));
      connection.disconnect();
    },
  };
}
