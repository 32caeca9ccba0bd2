import { expect, test } from 'vitest';
import { takeFence } from '#services/platform/queue/fences.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { killedEverywhere } from '#tools/testing/processes/killable.ts';
import {
  processPrivacyRequests,
  readExport,
  readPrivacyRequest,
  requestPrivacyJob,
} from './access/privacy-requests.ts';
import { openedPhi, stepUpOf } from './phi-harness.ts';
import { implementDataRetentionPolicies, readRun, requestRetentionRun } from './retention/retention.ts';

const { harness, ports } = openedPhi();

const system = testCaller as typeof testCaller & { readonly kind: 'system' };
const signal = new AbortController().signal;
const reason = 'test';

test('exports and deletions, killed at every statement: each is carried out once, with one receipt', async () => {
  const own = { ...ports, stepUp: stepUpOf(ports), wakePrivacyRequests: () => {} };
  let kills = 0;
  let persons = 0;
  for await (const { killPoint, run } of killedEverywhere({ url: ports.databaseUrl, work: 'privacyRequests' })) {
    persons += 1;
    const [exported, deleted] = [`exported-${persons}`, `deleted-${persons}`];
    await harness.encrypt('x', { subject_id: exported });
    const envelope = await harness.encrypt('x', { subject_id: deleted });
    const ask = async (kind: 'export' | 'deletion', subjectId: string): Promise<string> =>
      (await requestPrivacyJob(own, { kind, subject_id: subjectId, reason }, testCaller)).request_id;
    const [exportId, deletionId] = [await ask('export', exported), await ask('deletion', deleted)];
    if ((await run()) === null) kills += 1;
    // Another worker continues where the first one died.
    const fence = await takeFence(ports.sql, 'process-privacy-requests');
    await processPrivacyRequests(own, { fence, signal, caller: system });
    for (const id of [exportId, deletionId]) {
      const done = await readPrivacyRequest(ports, { request_id: id });
      const receipts = await ports.raw`SELECT event_id FROM audit_outbox
        WHERE type = 'phi.request_done' AND detail ->> 'request_id' = ${id}`;
      expect([killPoint, done.state, receipts]).toEqual([killPoint, 'done', [{ event_id: done.receipt?.event_id }]]);
    }
    expect([killPoint, (await readExport(own, { request_id: exportId }, testCaller)).subject_id]).toEqual([
      killPoint,
      exported,
    ]);
    await expect(harness.decrypt(envelope)).rejects.toMatchObject({ code: 'phi_shredded' });
  }
  expect(kills).toBeGreaterThan(20);
});

test('a retention run, killed at every statement: its counts are exactly what was removed, and sealed once', async () => {
  // Two kinds are enough: all kinds use the same statements. More records than one batch has.
  await ports.raw`UPDATE retention_policies SET keep_days = NULL WHERE kind NOT IN ('exports', 'restrictions')`;
  let kills = 0;
  for await (const { killPoint, run } of killedEverywhere({ url: ports.databaseUrl, work: 'retention' })) {
    await ports.raw`TRUNCATE phi_restrictions, phi_requests`;
    await ports.raw`INSERT INTO phi_restrictions (id, subject_id, purposes, ended_at)
      SELECT gen_random_uuid(), 'p-' || n, '{legal}', now() - interval '2193 days' FROM generate_series(1, 501) n`;
    await ports.raw`INSERT INTO phi_requests (id, kind, subject_id, state, finished_at, event_id, result)
      SELECT gen_random_uuid(), 'export', 'p-' || n, 'done', now() - interval '8 days', gen_random_uuid(), '{}'
      FROM generate_series(1, 2) n`;
    const asked = { dry_run: false, reason };
    const { run_id: id } = await requestRetentionRun({ ...ports, wakeRetention: () => {} }, asked, testCaller);
    if ((await run()) === null) kills += 1;
    const fence = await takeFence(ports.sql, 'apply-retention');
    await implementDataRetentionPolicies(ports, { fence, signal, caller: system });
    const counts = { exports: 2, restrictions: 501 };
    expect([killPoint, await readRun(ports, { run_id: id })]).toMatchObject([killPoint, { state: 'done', counts }]);
    const events = await ports.raw`SELECT detail -> 'counts' AS counts FROM audit_outbox
      WHERE type = 'retention.applied' AND detail ->> 'run_id' = ${id}`;
    expect([killPoint, events]).toEqual([killPoint, [{ counts }]]);
  }
  expect(kills).toBeGreaterThan(20);
});
