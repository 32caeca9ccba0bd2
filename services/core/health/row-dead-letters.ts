import type { Job } from '#services/platform/define/job.ts';
import type { Ports, Sql } from '../ports.ts';
import type { GivenUp, GivenUpRows } from '../shared/retries.store.ts';
import type { QueueAdmin } from './manage-queues.ts';
import type { DeadLetter } from './queues-contract.ts';

/** Work of a job that is stored as rows, because the job must not fail with one of them. */
export type RowLetters = { readonly of: Pick<Job, 'name' | 'queue'>; readonly rows: GivenUpRows };

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

const newestFirst = ({ failed_at: a }: DeadLetter, { failed_at: b }: DeadLetter): number =>
  Date.parse(b) - Date.parse(a);

/** Adds rows that were given up to the dead letters of their queues. */
export const withRowLetters = (
  admin: QueueAdmin,
  { sql }: Pick<Ports, 'sql'>,
  letters: readonly RowLetters[],
): QueueAdmin => letters.reduce((before, each) => withRowsOf(before, sql, each), admin);

function withRowsOf(admin: QueueAdmin, sql: Sql, { of: { name: job, queue: name }, rows }: RowLetters): QueueAdmin {
  const letterOf = (row: GivenUp): DeadLetter => ({
    queue: name,
    job_id: row.id,
    job,
    code: row.failure,
    attempts: row.attempts,
    failed_at: row.failed_at.toISOString(),
  });
  /** An id that is no UUID names no row. */
  const isRow = ({ queue, job_id: id }: Pick<DeadLetter, 'queue' | 'job_id'>): boolean =>
    queue === name && UUID.test(id);
  return {
    ...admin,
    async queues() {
      const givenUp = await rows.countGivenUp(sql);
      return (await admin.queues()).map((queue) =>
        queue.name === name ? { ...queue, dead: queue.dead + givenUp } : queue,
      );
    },
    async deadLetters(limit, queue, until) {
      const letters = await admin.deadLetters(limit, queue, until);
      if (queue !== undefined && queue !== name) return letters;
      const givenUp = (await rows.readGivenUp(sql, limit, until)).map(letterOf);
      return [...letters, ...givenUp].sort(newestFirst).slice(0, limit);
    },
    async deadLetter(letter) {
      const row = isRow(letter) ? await rows.findGivenUp(sql, letter.job_id) : undefined;
      if (row === undefined) return admin.deadLetter(letter);
      return { ...letterOf(row), payload: row.payload, enqueued_at: row.created_at.toISOString() };
    },
    // By the row first: an id of BullMQ is none of a row.
    retry: async (letter) =>
      (isRow(letter) && (await rows.requeue(sql, letter.job_id)) !== undefined) || admin.retry(letter),
    discard: async (letter) => (isRow(letter) && (await rows.discard(sql, letter.job_id))) || admin.discard(letter),
  };
}
