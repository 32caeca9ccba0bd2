import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { erasePersonal } from '#services/core/audit/erase-personal.ts';
import { vkeyOf } from '#services/core/audit/log/note.ts';
import { proveEvent } from '#services/core/audit/read/prove-event.ts';
import { readEvent } from '#services/core/audit/read/read-event.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { openLogHarness, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { phiCopyOf } from '../phi-harness.ts';
import { listPhiUses } from './list-phi-uses.ts';
import { logPhiAccess } from './log-phi-access.ts';
import { processPrivacyRequests, readPrivacyRequest, requestPrivacyJob } from './privacy-requests.ts';

const VERIFIER = join(import.meta.dirname, '../../../../tools/verify-audit-log.mjs');

const log = opened(() => openLogHarness());
const folder = testFolder();

/** Runs the offline verifier, which shares no code with the product. */
async function verifyOffline(leaf: Buffer, proof: string): Promise<number | null> {
  const [leafFile, proofFile] = [join(folder, 'leaf'), join(folder, 'proof')];
  await writeFile(leafFile, leaf);
  await writeFile(proofFile, proof);
  const vkeys = (await readLogKeys(log, TEST_ORIGIN)).flatMap((key) => ['--vkey', vkeyOf(key)]);
  const args = [VERIFIER, '--proof', proofFile, '--leaf', leafFile, ...vkeys, '--json'];
  return spawnSync(process.execPath, args, { encoding: 'utf8' }).status;
}

type Opening = { readonly field: string; readonly salt: string; readonly value: string };
/** Computed as docs/explanation/audit-log.md says, without the product's code. */
const commitmentOf = ({ field, salt, value }: Opening): string =>
  createHash('sha256')
    .update(`sallyport/audit/personal/v1\0${field}\0`)
    .update(Buffer.from(salt, 'base64'))
    .update(value)
    .digest('base64');

test.each(['export', 'deletion'] as const)(
  'the receipt (%s) is an event whose inclusion in the sealed log is verified offline',
  async (kind) => {
    const subjectId = `p-${kind}`;
    const own = { ...log, wakePrivacyRequests: () => {} };
    await phiCopyOf(log).encrypt('x', { subject_id: subjectId });
    const { request_id: id } = await requestPrivacyJob(
      own,
      { kind, subject_id: subjectId, reason: 'test' },
      testCaller,
    );
    const fence = await takeFence(log.sql, 'process-privacy-requests');
    const caller = testCaller as typeof testCaller & { readonly kind: 'system' };
    await processPrivacyRequests(own, { fence, signal: new AbortController().signal, caller });
    expect((await readPrivacyRequest(log, { request_id: id })).receipt).toMatchObject({ seq: null });
    await sealEvents(log, {}, testCaller);
    const { receipt, summary } = await readPrivacyRequest(log, { request_id: id });
    const seq = receipt?.seq as number;
    const { leaf: encoded, personal } = await readEvent(log, seq);
    const leaf = Buffer.from(encoded, 'base64');
    // The sealed bytes say what was done in which request, and commit to the person without an id.
    expect(leaf.toString('utf8')).not.toContain(subjectId);
    expect(personal).toMatchObject([{ field: 'target', value: `subject:${subjectId}` }]);
    expect(JSON.parse(leaf.toString('utf8'))).toMatchObject({
      seq,
      event_id: receipt?.event_id,
      type: 'phi.request_done',
      outcome: kind,
      detail: { request_id: id, ...summary },
      personal: { target: commitmentOf(personal[0] as Opening) },
    });
    const proof = await proveEvent(log, seq);
    expect(await verifyOffline(leaf, proof)).toBe(0);
    const forged = Buffer.from(leaf.toString('utf8').replace(kind, 'x'.repeat(kind.length)));
    expect(await verifyOffline(forged, proof)).not.toBe(0);
  },
);

test('sealed uses of one person are listed newest first, in pages', async () => {
  const use = (subjectId: string) =>
    logPhiAccess(
      log,
      { subject_id: subjectId, purpose: 'treatment', action: 'view', reference: 'chart/7' },
      userCaller('nurse'),
    );
  for (const subjectId of ['listed', 'other', 'listed', 'other']) await use(subjectId);
  await sealEvents(log, {}, testCaller);
  const of = (cursor?: string) => listPhiUses(log, { subjectId: 'listed', limit: 1, cursor });
  const first = await of();
  expect(first.items).toMatchObject([
    { type: 'phi.accessed', actor: 'user:nurse', purpose: 'treatment', reference: 'chart/7', basis: null },
  ]);
  const rest = await of(first.next as string);
  expect([rest.items.map(({ seq }) => seq), rest.next]).toEqual([[(first.items[0]?.seq as number) - 2], null]);
  await expect(of('x')).rejects.toMatchObject({ code: 'cursor_invalid' });
});

test('whose health data a user used stays known after the erasure of the user, sealed or not', async () => {
  const access = { subject_id: 'kept', purpose: 'treatment', action: 'view', reference: 'chart/8' } as const;
  await logPhiAccess(log, access, userCaller('erased'));
  await sealEvents(log, {}, testCaller);
  await logPhiAccess(log, access, userCaller('erased'));
  expect(await erasePersonal(log, { subject: 'erased' }, testCaller)).toEqual({ values: 0, unsealed: 0 });
  await sealEvents(log, {}, testCaller);
  const { items } = await listPhiUses(log, { subjectId: 'kept', limit: 5 });
  const kept = { actor: 'user:erased', reference: 'chart/8' };
  expect(items).toMatchObject([kept, kept]);
});
