import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { openNote, vkeyOf } from '#services/core/audit/log/note.ts';
import { exportAuditLog } from '#services/core/audit/read/export-audit-log.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { compromiseKey } from '#services/core/keys/compromise-key.ts';
import { ageLogKeys, type OwnLogHarness, openLogHarness, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { advanceLogKey } from './advance-log-key.ts';
import { readLogKeys } from './log-keys.ts';
import { readRotationNotes } from './rotation-notes.ts';

const VERIFIER = join(import.meta.dirname, '../../../../tools/verify-audit-log.mjs');

let harness: OwnLogHarness;
let folder: string;
beforeEach(async () => {
  folder = testFolder(onTestFinished);
  harness = await openLogHarness();
  await seal();
});
afterEach(() => harness.end());

async function seal(): Promise<void> {
  await harness.emit(3);
  await sealEvents(harness, {}, testCaller);
}

/** Makes the next key of the log, and moves all of them on until it alone signs. */
async function rotate(): Promise<void> {
  expect(await advanceLogKey(harness, { onlyWhenDue: false }, testCaller)).not.toBeNull();
  await ageLogKeys(harness);
  await advanceLogKey(harness, { onlyWhenDue: true }, testCaller);
  await seal();
}

const keys = () => readLogKeys(harness, TEST_ORIGIN);

/** What the outside verifier says of an export of now. */
async function verifyExport(...args: readonly string[]) {
  const into = mkdtempSync(join(folder, 'export-'));
  const ports = {
    ...harness,
    auditLogKeys: (origin: string) => readLogKeys(harness, origin),
    auditKeyRotations: () => readRotationNotes(harness),
  };
  const everything = { fromSeq: 0, toSeq: Number.MAX_SAFE_INTEGER - 1, personal: false };
  for await (const { path, bytes } of exportAuditLog(ports, everything)) {
    mkdirSync(dirname(join(into, path)), { recursive: true });
    writeFileSync(join(into, path), bytes);
  }
  const { status, stdout } = spawnSync(process.execPath, [VERIFIER, into, '--json', ...args], { encoding: 'utf8' });
  return { code: status, faults: JSON.parse(stdout).logs.flatMap(({ faults }: { faults: unknown[] }) => faults) };
}

test('an auditor who was away while the key was replaced twice still verifies the log, by pin and by state', async () => {
  const [first] = (await keys()).map(vkeyOf);
  const state = ['--state', join(folder, 'state.json')];
  const pin = ['--vkey', first as string];
  expect(await verifyExport(...state, ...pin)).toEqual({ code: 0, faults: [] });
  await rotate();
  await rotate();
  expect(await keys()).toHaveLength(3);
  const alone = openNote((await harness.head()).note, await keys()).by.map(vkeyOf);
  expect(alone).toEqual([vkeyOf((await keys())[2]!)]);
  for (const trusted of [pin, state]) expect(await verifyExport(...trusted)).toEqual({ code: 0, faults: [] });
});

test('no row that an attacker writes into the outbox makes a note', async () => {
  await harness.emit(1, { type: 'key.published', detail: { purpose: 'audit-log', alg: 'EdDSA' } });
  await seal();
  await advanceLogKey(harness, { onlyWhenDue: true }, testCaller);
  expect(await readRotationNotes(harness)).toEqual([]);
});

test('a note that a superuser writes or changes is not served, and leads no verifier to a key', async () => {
  const [first] = (await keys()).map(vkeyOf);
  await rotate();
  const [note = ''] = await readRotationNotes(harness);
  const [old, next] = (await keys()).map(vkeyOf) as [string, string];
  for (const forged of [note.replaceAll(next, old), note.replace(/\n\u2014.*\n$/, '\n'), 'no note']) {
    await harness.raw`UPDATE jwks SET rotation_note = ${forged} WHERE rotation_note IS NOT NULL`;
    expect(await readRotationNotes(harness)).toEqual([]);
    expect(await verifyExport('--vkey', first as string)).toMatchObject({
      code: 1,
      faults: [{ code: 'signature_missing' }],
    });
  }
});

test('a key that an earlier version made gets its note while the key before it is there; afterwards the auditor pins it', async () => {
  const [first] = (await keys()).map(vkeyOf);
  const forget = () => harness.raw`UPDATE jwks SET rotation_note = NULL`;
  await advanceLogKey(harness, { onlyWhenDue: false }, testCaller);
  await forget();
  await advanceLogKey(harness, { onlyWhenDue: true }, testCaller);
  expect(await readRotationNotes(harness)).toHaveLength(1);
  await forget();
  await harness.raw`UPDATE jwks SET "privateKey" = '' WHERE purpose = 'audit-log' AND upper(signs) IS NOT NULL`;
  await advanceLogKey(harness, { onlyWhenDue: true }, testCaller);
  await seal();
  expect(await readRotationNotes(harness)).toEqual([]);
  const second = vkeyOf((await keys())[1]!);
  const without = await verifyExport('--vkey', first as string);
  expect(without).toMatchObject({ code: 1, faults: [{ message: expect.stringMatching(/give it with --vkey$/) }] });
  expect(await verifyExport('--vkey', second)).toEqual({ code: 0, faults: [] });
});

test('a compromised key vouches for no key: its notes are not served', async () => {
  const rows = await harness.raw<{ id: string }>`SELECT id FROM jwks WHERE purpose = 'audit-log'`;
  await advanceLogKey(harness, { onlyWhenDue: false }, testCaller);
  expect(await readRotationNotes(harness)).toHaveLength(1);
  const kid = rows[0]?.id ?? '';
  await compromiseKey({ ...harness, keysChanged: () => {} }, { kid, reason: 'leaked' }, testCaller);
  await advanceLogKey(harness, { onlyWhenDue: true }, testCaller);
  expect(await readRotationNotes(harness)).toEqual([]);
});
