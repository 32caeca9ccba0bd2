import type { Job, Queue } from 'bullmq';
import { queueUnavailable } from '../errors.ts';
import type { JobData } from './job-data.ts';
import type { Producer } from './producer.ts';
import { lookAtQueue } from './queue-state.ts';

/** Converts any error of Redis to `queueUnavailable`. */
export const reach = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (cause) {
    throw queueUnavailable({ retryAfterSeconds: 1, cause });
  }
};

const letterOf = (job: Job<JobData>) => ({
  queue: job.queueName,
  job_id: job.id as string,
  job: job.name,
  code: job.failedReason.slice(0, 64),
  attempts: job.attemptsMade,
  failed_at: new Date(job.finishedOn ?? 0).toISOString(),
});

type Named = { readonly queue: string; readonly job_id: string };

/** The queue port of `services/core/health/manage-queues.ts`. */
export function createQueueAdmin(producer: Producer, queueNames: readonly string[]) {
  const named = (queue: string): Queue<JobData> => {
    if (!queueNames.includes(queue)) throw new Error(`no queue ${queue}`);
    return producer.queue(queue);
  };
  const all = (queue?: string): readonly string[] => queueNames.filter((name) => queue === undefined || name === queue);
  const dead = async ({ queue, job_id: jobId }: Named): Promise<Job<JobData> | undefined> => {
    const job = queueNames.includes(queue) ? await producer.queue(queue).getJob(jobId) : undefined;
    return (await job?.getState()) === 'failed' ? job : undefined;
  };
  const failedUntil = async (name: string, limit: number, until?: string): Promise<Job<JobData>[]> => {
    const newer = until === undefined ? 0 : await producer.countDeadAfter(name, Date.parse(until));
    return producer.queue(name).getFailed(newer, newer + limit - 1);
  };
  return {
    queues: () =>
      reach(() =>
        Promise.all(
          queueNames.map(async (name) => {
            const { oldestAgeMs, ...counts } = await lookAtQueue(producer.queue(name), Date.now());
            return { name, ...counts, oldest_age_seconds: oldestAgeMs / 1_000 };
          }),
        ),
      ),
    /** Workers that are consuming each queue. It needs the right to list the clients of Redis, which an API lacks. */
    countWorkers: (): Promise<ReadonlyMap<string, number>> =>
      reach(
        async () =>
          new Map(
            await Promise.all(
              queueNames.map(async (name) => [name, await producer.queue(name).getWorkersCount()] as const),
            ),
          ),
      ),
    deadLetters: (limit: number, queue?: string, until?: string) =>
      reach(async () => {
        const found = await Promise.all(all(queue).map((name) => failedUntil(name, limit, until)));
        return found
          .flat()
          .sort((a, b) => (b.finishedOn ?? 0) - (a.finishedOn ?? 0))
          .slice(0, limit)
          .map(letterOf);
      }),
    deadLetter: (letter: Named) =>
      reach(async () => {
        const job = await dead(letter);
        return (
          job && { ...letterOf(job), payload: job.data.payload, enqueued_at: new Date(job.timestamp).toISOString() }
        );
      }),
    retry: (letter: Named) =>
      reach(async () => {
        const job = await dead(letter);
        await job?.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
        return job !== undefined;
      }),
    discard: (letter: Named) =>
      reach(async () => {
        const job = await dead(letter);
        await job?.remove();
        return job !== undefined;
      }),
    drain: (name: string) =>
      reach(async () => {
        const queue = named(name);
        const { wait = 0, prioritized = 0, delayed = 0 } = await queue.getJobCounts('wait', 'prioritized', 'delayed');
        await queue.drain(true);
        return wait + prioritized + delayed;
      }),
  };
}
