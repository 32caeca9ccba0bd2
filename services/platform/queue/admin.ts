import type { Queue } from 'bullmq';
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

/** The queue port of `services/domain/operations/manage-queues.ts`. */
export function createQueueAdmin(producer: Producer, queueNames: readonly string[]) {
  const named = (queue: string): Queue<JobData> => {
    if (!queueNames.includes(queue)) throw new Error(`no queue ${queue}`);
    return producer.queue(queue);
  };
  const all = (queue?: string): readonly string[] => (queue === undefined ? queueNames : [named(queue).name]);
  return {
    queues: () =>
      reach(() =>
        Promise.all(
          queueNames.map(async (name) => {
            const queue = producer.queue(name);
            const [{ oldestAgeMs, ...counts }, workers] = [
              await lookAtQueue(queue, Date.now()),
              await queue.getWorkersCount(),
            ];
            return { name, ...counts, oldest_age_seconds: oldestAgeMs / 1_000, workers };
          }),
        ),
      ),
    deadLetters: (limit: number, queue?: string) =>
      reach(async () => {
        const found = await Promise.all(all(queue).map((name) => producer.queue(name).getFailed(0, limit - 1)));
        return found
          .flat()
          .sort((a, b) => (b.finishedOn ?? 0) - (a.finishedOn ?? 0))
          .slice(0, limit)
          .map((job) => ({
            queue: job.queueName,
            job_id: job.id as string,
            job: job.name,
            code: job.failedReason.slice(0, 64),
            attempts: job.attemptsMade,
            failed_at: new Date(job.finishedOn ?? 0).toISOString(),
          }));
      }),
    retry: (letter: { readonly queue: string; readonly job_id: string }) =>
      reach(async () => {
        const job = await named(letter.queue).getJob(letter.job_id);
        if ((await job?.getState()) !== 'failed') return false;
        await job?.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
        return true;
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
