import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { loadList } from '#services/modules.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { type QueueAdmin, retryDeadLetters } from './manage-queues.ts';
import type { DeadLetter } from './queues-contract.ts';
import { withRowLetters } from './row-dead-letters.ts';

let ports: OwnPorts;
const rowLetters = await loadList('deadLetters');
beforeAll(async () => {
  ports = await openTestPorts();
});
afterAll(() => ports?.end());
beforeEach(() => ports.raw('DELETE FROM logout_tokens'));

/** A token that was given up so many minutes ago; one that is still retried without them. */
async function newToken(minutes?: number): Promise<string> {
  const [row] = await ports.raw<{ id: string }>(
    `INSERT INTO logout_tokens (client_id, unvetted, user_id, session_id, attempts, failure, failed_at, next_attempt_at)
     SELECT 'c', false, 'u', 's', 33, 'http_503', now() - make_interval(mins => coalesce($1::int, 0)),
       CASE WHEN $1::int IS NULL THEN now() END
     RETURNING id`,
    [minutes ?? null],
  );
  return row!.id;
}

const job: DeadLetter = {
  queue: 'logout',
  job_id: 'send-logout-tokens-1',
  job: 'send-logout-tokens',
  code: 'job_timed_out',
  attempts: 5,
  failed_at: new Date(Date.now() - 90_000).toISOString(),
};
const view = { waiting: 0, active: 0, delayed: 0, oldest_age_seconds: 0 };
/** Queues whose Redis side has these dead letters, and retries them. */
const adminOf = (letters: readonly DeadLetter[]): QueueAdmin =>
  withRowLetters(
    {
      queues: async () => ['mail', 'logout'].map((name) => ({ ...view, name, dead: 1 })),
      deadLetters: async (limit, queue, until) =>
        letters
          .filter((letter) => queue === undefined || letter.queue === queue)
          .filter((letter) => until === undefined || letter.failed_at <= until)
          .slice(0, limit),
      deadLetter: async ({ job_id }) => {
        const found = letters.find((letter) => letter.job_id === job_id);
        return found && { ...found, payload: {}, enqueued_at: found.failed_at };
      },
      retry: async ({ job_id }) => letters.some((letter) => letter.job_id === job_id),
      discard: async ({ job_id }) => letters.some((letter) => letter.job_id === job_id),
      drain: async () => 0,
    },
    ports,
    rowLetters,
  );

test('logout tokens that were given up are dead letters of their queue, newest first, with code and attempts', async () => {
  const [old, young] = [await newToken(3), await newToken(1)];
  await newToken();
  const admin = adminOf([job, { ...job, queue: 'mail', failed_at: new Date().toISOString() }]);
  expect((await admin.queues()).map(({ name, dead }) => [name, dead])).toEqual([
    ['mail', 1],
    ['logout', 3],
  ]);
  expect((await admin.deadLetters(10, 'logout')).map(({ job_id }) => job_id)).toEqual([young, job.job_id, old]);
  expect((await admin.deadLetters(2)).map(({ queue, job_id }) => [queue, job_id])).toEqual([
    ['mail', job.job_id],
    ['logout', young],
  ]);
  expect(await admin.deadLetters(10, 'mail')).toHaveLength(1);
  const [letter] = await adminOf([]).deadLetters(1);
  expect(letter).toEqual({
    queue: 'logout',
    job_id: young,
    job: 'send-logout-tokens',
    code: 'http_503',
    attempts: 33,
    failed_at: expect.stringMatching(/Z$/),
  });
});

test('a retried one has all its attempts again and is due; one that is still retried stays as it is', async () => {
  const [dead, waiting] = [await newToken(1), await newToken()];
  const admin = adminOf([job]);
  const letters = await admin.deadLetters(10);
  expect(await retryDeadLetters({ ...ports, queueAdmin: admin }, letters, testCaller)).toEqual(letters);
  const rows = () =>
    ports.raw('SELECT id, attempts, next_attempt_at <= clock_timestamp() AS due FROM logout_tokens ORDER BY attempts');
  const expected = [
    { id: dead, attempts: 0, due: true },
    { id: waiting, attempts: 33, due: true },
  ];
  expect(await rows()).toEqual(expected);
  for (const job_id of [dead, waiting, 'no-such-job'])
    expect(await admin.retry({ queue: 'logout', job_id })).toBe(false);
  expect(await rows()).toEqual(expected);
  expect(await admin.retry({ queue: 'mail', job_id: job.job_id })).toBe(true);
});

test('those given up until a time are listed from there, and one is found with the time since which it was tried', async () => {
  const [old, young] = [await newToken(3), await newToken(1)];
  const admin = adminOf([]);
  const [, second] = await admin.deadLetters(10);
  expect((await admin.deadLetters(10, 'logout', second?.failed_at)).map(({ job_id }) => job_id)).toEqual([old]);
  expect(await admin.deadLetter({ queue: 'logout', job_id: young })).toMatchObject({
    job_id: young,
    code: 'http_503',
    payload: null,
    enqueued_at: expect.stringMatching(/Z$/),
  });
  for (const job_id of [await newToken(), 'no-such-job'])
    expect(await admin.deadLetter({ queue: 'logout', job_id })).toBeUndefined();
});

test('a discarded one is gone; one that is still retried stays', async () => {
  const [dead, waiting] = [await newToken(1), await newToken()];
  const admin = adminOf([]);
  expect(await admin.discard({ queue: 'logout', job_id: dead })).toBe(true);
  for (const job_id of [dead, waiting, 'no-such-job'])
    expect(await admin.discard({ queue: 'logout', job_id })).toBe(false);
  expect(await ports.raw('SELECT id FROM logout_tokens')).toEqual([{ id: waiting }]);
});
