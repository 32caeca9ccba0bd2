import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { listHandoffDeadLetters, replayHandoff } from './given-up-handoffs.ts';
import { deliveryRetries } from './handoff.store.ts';

const ports = opened(openTestPorts);
beforeEach(async () => {
  await ports.raw`DELETE FROM handoff_endpoints`;
  await ports.raw`INSERT INTO handoff_endpoints (name, reached_seq) VALUES ('siem', 100)`;
});

/** An event that was given up so many minutes ago; one that is still retried without them. */
async function newDelivery(seq: number, minutes?: number): Promise<string> {
  const id = randomUUID();
  await ports.raw(
    `INSERT INTO handoff_deliveries (id, endpoint, seq, subject, attempts, failure, failed_at, next_attempt_at)
     SELECT $1, 'siem', $2, repeat('0', 64), 6, 'http_400', now() - make_interval(mins => coalesce($3::int, 0)),
       CASE WHEN $3::int IS NULL THEN now() END`,
    [id, seq, minutes ?? null],
  );
  return id;
}

test('events that were given up are listed, newest first, with endpoint, seq and failure; others are not', async () => {
  const [old, young] = [await newDelivery(1, 3), await newDelivery(2, 1)];
  await newDelivery(3);
  const listed = await listHandoffDeadLetters(ports, { limit: 10 });
  expect([listed.count, listed.dead_letters.map(({ delivery_id }) => delivery_id)]).toEqual([2, [young, old]]);
  expect(listed.dead_letters[0]).toEqual({
    delivery_id: young,
    endpoint: 'siem',
    seq: 2,
    attempts: 6,
    failure: 'http_400',
    failed_at: expect.stringMatching(/Z$/),
  });
  expect((await listHandoffDeadLetters(ports, { limit: 1 })).dead_letters).toHaveLength(1);
  expect((await deliveryRetries.findGivenUp(ports.sql, young))?.payload).toEqual({ endpoint: 'siem', seq: 2 });
});

test('a replayed one has all its attempts again, once, and the audit log has who replayed it and why', async () => {
  const id = await newDelivery(7, 1);
  const replay = () => replayHandoff(ports, { delivery_id: id, reason: 'fixed' }, testCaller);
  const answers = await Promise.allSettled([replay(), replay()]);
  expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(await ports.raw`SELECT attempts, next_attempt_at <= clock_timestamp() AS due FROM handoff_deliveries`).toEqual(
    [{ attempts: 0, due: true }],
  );
  expect(await ports.raw`SELECT outcome, detail FROM audit_outbox WHERE type = 'handoff.replayed'`).toEqual([
    { outcome: 'ok', detail: { endpoint: 'siem', seq: 7, reason: 'fixed' } },
  ]);
  await expect(replay()).rejects.toMatchObject({ code: 'handoff_unknown' });
});
