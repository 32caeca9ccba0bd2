import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sealEvents } from '#services/domain/audit/seal/seal-events.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { createRestoreDrill } from '#services/worker/restore-drill.ts';
import { type OwnLogHarness, openLogHarness } from '#testing/harness/log.ts';
import { queryRows, runPastTriggers, testCaller } from '#testing/harness/ports.ts';
import type { Caller, Marks } from '../../ports.ts';
import { rehearseRestore } from './rehearse-restore.ts';

const caller = testCaller as Caller & { readonly kind: 'system' };
const never = new AbortController().signal;

let harness: OwnLogHarness;
let folder: string;
let serverUrl: string;
beforeAll(async () => {
  harness = await openLogHarness();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-drill-'));
  const url = new URL(harness.databaseUrl);
  url.pathname = '/postgres';
  serverUrl = url.href;
  await harness.raw(
    `INSERT INTO users (id, email) SELECT 'u' || n, 'u' || n || '@example.test' FROM generate_series(1, 20) n`,
  );
  await harness.emit(50);
  await sealEvents(harness, {}, testCaller);
});
afterAll(async () => {
  await harness?.end();
  await rm(folder, { recursive: true, force: true });
});

const marks = () => createFileMarks(folder);
const rehearse = async (signal = never, drillUrl: string | undefined = serverUrl) =>
  rehearseRestore(
    { ...harness, marks: marks(), restoreDrill: createRestoreDrill(harness.databaseUrl, drillUrl) },
    { fence: await takeFence(harness.sql, 'rehearse-restore'), signal },
    caller,
  );
const recorded = () =>
  harness.raw<{ outcome: string; detail: Record<string, unknown> }>(
    `SELECT outcome, detail FROM audit_outbox WHERE type = 'operations.restore_rehearsed' ORDER BY id DESC LIMIT 1`,
  );
const stateOf = async () => (await harness.raw<{ incarnation: string }>('SELECT incarnation FROM feed_state'))[0]!;
const scratches = async () => {
  const { incarnation } = await stateOf();
  const found = await queryRows(
    serverUrl,
    `SELECT 1 FROM pg_database WHERE starts_with(datname, 'sallyport_drill_${incarnation.slice(0, 8)}')`,
  );
  return found.length;
};

test('a rehearsal restores every row beside the installation, records duration and counts, and leaves nothing', async () => {
  const { incarnation } = await stateOf();
  const before: Marks = { incarnation, revocationEpoch: 0, beat: 0 };
  await marks().raise(before);
  // What a killed rehearsal left is dropped by the next.
  await queryRows(serverUrl, `CREATE DATABASE sallyport_drill_${incarnation.slice(0, 8)}_left`);
  const done = await rehearse();
  expect(done).toMatchObject({ orphans: 0, events: expect.any(Number) });
  expect(done?.events).toBeGreaterThanOrEqual(50);
  expect(done?.rows).toBeGreaterThan(70);
  expect(await recorded()).toEqual([{ outcome: 'ok', detail: { ...done } }]);
  expect(await scratches()).toBe(0);
  expect(await marks().read()).toEqual(before);
  expect(await harness.raw('SELECT 1 FROM users')).toHaveLength(20);
});

test('a database that cannot be restored whole fails the rehearsal, which records why and drops what it made', async () => {
  await runPastTriggers(
    harness.databaseUrl,
    `INSERT INTO passkeys (id, "publicKey", "userId", "credentialID", counter, "deviceType", "backedUp") VALUES ('p1', 'x', 'u-gone', 'x', 0, 'x', false)`,
  );
  await expect(rehearse()).rejects.toMatchObject({ code: '23503' });
  expect(await recorded()).toEqual([{ outcome: 'failed', detail: { code: '23503' } }]);
  expect(await scratches()).toBe(0);
  await harness.raw(`DELETE FROM passkeys`);
});

test('an altered event of the sealed log is found in the restored database', async () => {
  await runPastTriggers(harness.databaseUrl, `UPDATE audit_events SET outcome = 'forged' WHERE seq = 3`);
  await expect(rehearse()).rejects.toMatchObject({ code: 'restore_mismatch' });
  expect(await recorded()).toEqual([{ outcome: 'failed', detail: { code: 'restore_mismatch' } }]);
  await runPastTriggers(harness.databaseUrl, `UPDATE audit_events SET outcome = 'ok' WHERE seq = 3`);
});

test('a run that must end stops in its midst, and without a place none is made', async () => {
  await expect(rehearse(AbortSignal.abort())).rejects.toThrow();
  expect(await scratches()).toBe(0);
  const place = createRestoreDrill(harness.databaseUrl, undefined);
  expect(place).toBeNull();
  const fence = await takeFence(harness.sql, 'rehearse-restore');
  expect(
    await rehearseRestore({ ...harness, marks: marks(), restoreDrill: place }, { fence, signal: never }, caller),
  ).toBeNull();
});
