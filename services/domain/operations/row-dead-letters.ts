import type { DeadLetter, QueueAdmin } from './manage-queues.ts';

/** Work of one job that is stored as rows, because the job must not fail with one of them. */
export type RowLetters = {
  readonly queue: string;
  readonly job: string;
  /** The newest rows that were given up, and how many there are in all. */
  read(limit: number): Promise<{
    readonly count: number;
    readonly rows: readonly {
      readonly id: string;
      readonly failure: string;
      readonly attempts: number;
      readonly failedAt: Date;
    }[];
  }>;
  /** False if the row is gone or was not given up. */
  retry(id: string): Promise<boolean>;
};

/** Adds rows that were given up to the dead letters of their queue. */
export const withRowLetters = (admin: QueueAdmin, { queue: name, job, read, retry }: RowLetters): QueueAdmin => ({
  ...admin,
  async queues() {
    const { count } = await read(0);
    return (await admin.queues()).map((queue) =>
      queue.name === name ? { ...queue, dead: queue.dead + count } : queue,
    );
  },
  async deadLetters(limit, queue) {
    const letters = await admin.deadLetters(limit, queue);
    if (queue !== undefined && queue !== name) return letters;
    const { rows } = await read(limit);
    const givenUp = rows.map(
      ({ id, failure, attempts, failedAt }): DeadLetter => ({
        queue: name,
        job_id: id,
        job,
        code: failure,
        attempts,
        failed_at: failedAt.toISOString(),
      }),
    );
    return [...letters, ...givenUp].sort((a, b) => (a.failed_at < b.failed_at ? 1 : -1)).slice(0, limit);
  },
  retry: async (letter) => (letter.queue === name && (await retry(letter.job_id))) || admin.retry(letter),
});
