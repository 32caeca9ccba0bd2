import { beforeEach, describe, expect, test } from 'vitest';
import { loadList } from '#services/modules.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { drainQueue, type QueueAdmin, recordQueueChange, retryDeadLetters } from './manage-queues.ts';
import type { DeadLetter } from './queues-contract.ts';
import { withRowLetters } from './row-dead-letters.ts';

const rowLetters = await loadList('deadLetters');
const base = opened(openTestPorts);
beforeEach(() => base.raw`DELETE FROM logout_tokens`);

const changesOf = (queue: string) =>
  base.raw`SELECT actor_id, outcome, detail FROM audit_outbox
    WHERE type = 'operations.queue_changed' AND target_kind = 'queue' AND target_id = ${queue} ORDER BY id`;
const change = (detail: object) => ({ actor_id: 'test', outcome: 'requested', detail });
const letter = (queue: string, id: string): DeadLetter => ({
  queue,
  job_id: id,
  job: 'build-report',
  code: 'P0001',
  attempts: 5,
  failed_at: '2026-01-01T00:00:00.000Z',
});

/** Ports with a fake Redis side that has these answers. */
function portsWithQueues(answers: Partial<QueueAdmin>) {
  return { transact: base.transact, queueAdmin: answers as QueueAdmin };
}
const unreachable = () => Promise.reject(Object.assign(new Error('out of reach'), { code: 'queue_unavailable' }));

describe('a change to a queue', () => {
  test('is in the audit log before the call to Redis, so that no change goes unrecorded', async () => {
    let recordedBefore: unknown[] = [];
    const drain = async (queue: string): Promise<number> => {
      recordedBefore = await changesOf(queue);
      return 7;
    };
    expect(await drainQueue(portsWithQueues({ drain }), 'drained', testCaller)).toBe(7);
    expect(recordedBefore).toEqual([change({ action: 'drain' })]);
  });

  test('that Redis fails to make is still in the audit log, and the caller gets the error', async () => {
    await expect(drainQueue(portsWithQueues({ drain: unreachable }), 'away', testCaller)).rejects.toMatchObject({
      code: 'queue_unavailable',
    });
    expect(await changesOf('away')).toEqual([change({ action: 'drain' })]);
  });

  test('is recorded with the queue name and job id truncated to their limits', async () => {
    const [queue, jobId] = ['q'.repeat(100), 'j'.repeat(300)];
    await recordQueueChange(base, { action: 'promote', queue, jobId }, testCaller);
    expect(await changesOf('q'.repeat(64))).toEqual([change({ action: 'promote', job_id: 'j'.repeat(200) })]);
  });
});

describe('dead letters', () => {
  test('are retried one by one, each with its event; the result leaves out those that no longer exist', async () => {
    const letters = ['a', 'gone', 'b'].map((id) => letter('retried', id));
    const retry: QueueAdmin['retry'] = async ({ job_id }) => job_id !== 'gone';
    const retried = await retryDeadLetters(portsWithQueues({ retry }), letters, testCaller);
    expect(retried).toEqual([letters[0], letters[2]]);
    expect(await changesOf('retried')).toEqual(['a', 'gone', 'b'].map((job_id) => change({ action: 'retry', job_id })));
  });

  test('after one that Redis does not answer are neither retried nor recorded', async () => {
    const letters = ['a', 'b'].map((id) => letter('stopped', id));
    await expect(retryDeadLetters(portsWithQueues({ retry: unreachable }), letters, testCaller)).rejects.toThrow(
      'out of reach',
    );
    expect(await changesOf('stopped')).toEqual([change({ action: 'retry', job_id: 'a' })]);
  });
});

/** A token that was given up so many minutes ago; one that is still retried without them. */
async function newToken(minutes?: number): Promise<string> {
  const [row] = await base.raw<{ id: string }>(
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
    base,
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
  expect(await retryDeadLetters({ ...base, queueAdmin: admin }, letters, testCaller)).toEqual(letters);
  const rows = () =>
    base.raw`SELECT id, attempts, next_attempt_at <= clock_timestamp() AS due FROM logout_tokens ORDER BY attempts`;
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
    payload: {},
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
  expect(await base.raw`SELECT id FROM logout_tokens`).toEqual([{ id: waiting }]);
});
