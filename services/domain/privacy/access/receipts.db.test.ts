import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { takeFence } from '#services/platform/queue/fences.ts';
import { type OwnLogHarness, openLogHarness, TEST_ORIGIN } from '#testing/harness/log.ts';
import { testCaller } from '#testing/harness/ports.ts';
import { vkeyOf } from '../../audit/log/note.ts';
import { proveEvent } from '../../audit/read/prove-event.ts';
import { readEvent } from '../../audit/read/read-event.ts';
import { sealEvents } from '../../audit/seal/seal-events.ts';
import { readLogKeys } from '../../keys/log/log-keys.ts';
import { phiCopyOf } from '../phi-harness.ts';
import { createPhiKeys } from '../phi-keys.ts';
import { processPrivacyRequests, readPrivacyRequest, requestPrivacyJob } from './privacy-requests.ts';

const VERIFIER = join(import.meta.dirname, '../../../../scripts/verify-audit-log.mjs');

let log: OwnLogHarness;
let folder: string;
beforeAll(async () => {
  log = await openLogHarness();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-receipts-'));
});
afterAll(async () => {
  await log?.end();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the offline verifier, which shares no code with the product. */
async function verifyOffline(leaf: Buffer, proof: string): Promise<number | null> {
  const [leafFile, proofFile] = [join(folder, 'leaf'), join(folder, 'proof')];
  await writeFile(leafFile, leaf);
  await writeFile(proofFile, proof);
  const vkeys = (await readLogKeys(log, TEST_ORIGIN)).flatMap((key) => ['--vkey', vkeyOf(key)]);
  const args = [VERIFIER, '--proof', proofFile, '--leaf', leafFile, ...vkeys, '--json'];
  return spawnSync(process.execPath, args, { encoding: 'utf8' }).status;
}

test.each(['export', 'deletion'] as const)(
  'the receipt (%s) is an event whose inclusion in the sealed log is verified offline',
  async (kind) => {
    const subjectId = `p-${kind}`;
    const own = { ...log, phiKeys: createPhiKeys(log.vault), wakePrivacyRequests: () => {} };
    await phiCopyOf(log).encrypt('x', { subjectId });
    const { request_id: id } = await requestPrivacyJob(own, { kind, subjectId, reason: 'test' }, testCaller);
    const fence = await takeFence(log.sql, 'process-privacy-requests');
    const caller = testCaller as typeof testCaller & { readonly kind: 'system' };
    await processPrivacyRequests(own, { fence, signal: new AbortController().signal, caller });
    expect((await readPrivacyRequest(log, id)).receipt).toMatchObject({ seq: null });
    await sealEvents(log, {}, testCaller);
    const { receipt, summary } = await readPrivacyRequest(log, id);
    const seq = receipt?.seq as number;
    const leaf = Buffer.from((await readEvent(log, seq)).leaf, 'base64');
    // The sealed bytes themselves say what was done, for whom, and in which request.
    expect(JSON.parse(leaf.toString('utf8'))).toMatchObject({
      seq,
      event_id: receipt?.event_id,
      type: 'phi.request_done',
      outcome: kind,
      target: { kind: 'subject', id: subjectId },
      detail: { request_id: id, ...summary },
    });
    const proof = await proveEvent(log, seq);
    expect(await verifyOffline(leaf, proof)).toBe(0);
    const forged = Buffer.from(leaf.toString('utf8').replace(subjectId, 'p-forgery'));
    expect(await verifyOffline(forged, proof)).not.toBe(0);
  },
);
