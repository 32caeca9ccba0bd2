import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { drainQueue, type QueueAdmin, recordQueueChange, retryDeadLetters } from './manage-queues.ts';
import type { DeadLetter } from './queues-contract.ts';

let base: OwnPorts;
beforeAll(async () => {
  base = await openTestPorts();
});
afterAll(() => base?.end());

const changesOf = (queue: string) =>
  base.raw(
    `SELECT actor_id, outcome, detail FROM audit_outbox
     WHERE type = 'operations.queue_changed' AND target_kind = 'queue' AND target_id = $1 ORDER BY id`,
    [queue],
  );
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
