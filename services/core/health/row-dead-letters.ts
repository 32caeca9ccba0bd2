import type { GivenUp, GivenUpRows } from '../shared/retries.store.ts';
import type { QueueAdmin } from './manage-queues.ts';
import type { DeadLetter } from './queues-contract.ts';

/** Work of one job that is stored as rows, because the job must not fail with one of them. */
type RowLetters = { readonly queue: string; readonly job: string; readonly rows: GivenUpRows };

const newestFirst = ({ failed_at: a }: DeadLetter, { failed_at: b }: DeadLetter): number =>
  Date.parse(b) - Date.parse(a);

/** Adds rows that were given up to the dead letters of their queue. */
export function withRowLetters(admin: QueueAdmin, { queue: name, job, rows }: RowLetters): QueueAdmin {
  const letterOf = ({ id, failure, attempts, failedAt }: GivenUp): DeadLetter => ({
    queue: name,
    job_id: id,
    job,
    code: failure,
    attempts,
    failed_at: failedAt.toISOString(),
  });
  /** By the row first: an id of BullMQ is none of a row. */
  const first =
    (act: 'retry' | 'discard'): QueueAdmin['retry'] =>
    async (letter) =>
      (letter.queue === name && (await rows[act](letter.job_id))) || admin[act](letter);
  return {
    ...admin,
    async queues() {
      const givenUp = await rows.count();
      return (await admin.queues()).map((queue) =>
        queue.name === name ? { ...queue, dead: queue.dead + givenUp } : queue,
      );
    },
    async deadLetters(limit, queue, until) {
      const letters = await admin.deadLetters(limit, queue, until);
      if (queue !== undefined && queue !== name) return letters;
      const givenUp = (await rows.read(limit, until)).map(letterOf);
      return [...letters, ...givenUp].sort(newestFirst).slice(0, limit);
    },
    async deadLetter(letter) {
      const row = letter.queue === name ? await rows.find(letter.job_id) : undefined;
      if (row === undefined) return admin.deadLetter(letter);
      return { ...letterOf(row), payload: null, enqueued_at: row.createdAt.toISOString() };
    },
    retry: first('retry'),
    discard: first('discard'),
  };
}
