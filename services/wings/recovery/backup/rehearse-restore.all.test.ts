// About: services/wings/recovery/backup/
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import type { Caller, Marks } from '#services/core/ports.ts';
import { writeBackupAt } from '#services/platform/backups/backup-place.ts';
import type { BackupConfig } from '#services/platform/config/backups.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { openBackupSource } from '#services/platform/postgres/table-copies.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { createRestoreDrill } from '#services/worker/restore-drill.ts';
import { type OwnLogHarness, openLogHarness } from '#tools/testing/harness/log.ts';
import { queryRows, runPastTriggers, testCaller } from '#tools/testing/harness/ports.ts';
import { startOwnStores } from '#tools/testing/processes/own-stores.ts';
import { findS3Gateway, startS3Gateway } from '#tools/testing/processes/s3-gateway.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { backUp } from './back-up.ts';
import { rehearseRestore } from './rehearse-restore.ts';

const caller = testCaller as Caller & { readonly kind: 'system' };
const program = findS3Gateway();
if (program === undefined) console.warn('SKIPPED: rehearsals from an S3 store: no Go here to build its server with');
const never = new AbortController().signal;

let harness: OwnLogHarness;
const folder = testFolder();
let serverUrl: string;
beforeAll(async () => {
  harness = await openLogHarness();
  const url = new URL(harness.databaseUrl);
  url.pathname = '/postgres';
  serverUrl = url.href;
  await harness.raw`INSERT INTO users (id, email) SELECT 'u' || n, 'u' || n || '@example.test'
    FROM generate_series(1, 20) n`;
  await harness.emit(50);
  await sealEvents(harness, {}, testCaller);
});
afterAll(() => harness?.end());

const marks = () => createFileMarks(folder);
const rehearse = async (signal = never, kept: Parameters<typeof createRestoreDrill>[1] = {}) =>
  rehearseRestore(
    {
      ...harness,
      marks: marks(),
      restoreDrill: createRestoreDrill(harness.databaseUrl, { restoreDrillUrl: serverUrl, ...kept }),
    },
    { fence: await takeFence(harness.sql, 'rehearse-restore'), signal },
    caller,
  );
const recorded = () =>
  harness.raw<{ outcome: string; detail: Record<string, unknown> }>`SELECT outcome, detail FROM audit_outbox
    WHERE type = 'operations.restore_rehearsed' ORDER BY id DESC LIMIT 1`;
const stateOf = async () => (await harness.raw<{ incarnation: string }>`SELECT incarnation FROM feed_state`)[0]!;
const scratches = async () => {
  const { incarnation } = await stateOf();
  const found = await queryRows(serverUrl)(
    `SELECT 1 FROM pg_database WHERE starts_with(datname, 'sallyport_drill_${incarnation.slice(0, 8)}')`,
  );
  return found.length;
};

test('a rehearsal restores every row beside the installation, records duration and counts, and leaves nothing', async () => {
  const { incarnation } = await stateOf();
  const before: Marks = { incarnation, revocationEpoch: 0, beat: 0 };
  await marks().raise(before);
  // What a killed rehearsal left is dropped by the next.
  await queryRows(serverUrl)(`CREATE DATABASE sallyport_drill_${incarnation.slice(0, 8)}_left`);
  const done = await rehearse();
  expect(done).toMatchObject({ backup: 'fresh', orphans: 0, events: expect.any(Number) });
  expect(done?.events).toBeGreaterThanOrEqual(50);
  expect(done?.rows).toBeGreaterThan(70);
  expect(await recorded()).toEqual([{ outcome: 'ok', detail: { ...done } }]);
  expect(await scratches()).toBe(0);
  expect(await marks().read()).toEqual(before);
  expect(await harness.raw`SELECT 1 FROM users`).toHaveLength(20);
});

test('a database that cannot be restored whole fails the rehearsal, which records why and drops what it made', async () => {
  await runPastTriggers(
    harness.databaseUrl,
    `INSERT INTO passkeys (id, "publicKey", "userId", "credentialID", counter, "deviceType", "backedUp") VALUES ('p1', 'x', 'u-gone', 'x', 0, 'x', false)`,
  );
  await expect(rehearse()).rejects.toMatchObject({ code: '23503' });
  expect(await recorded()).toEqual([{ outcome: 'failed', detail: { code: '23503' } }]);
  expect(await scratches()).toBe(0);
  await harness.raw`DELETE FROM passkeys`;
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
  const place = createRestoreDrill(harness.databaseUrl, {});
  expect(place).toBeNull();
  const fence = await takeFence(harness.sql, 'rehearse-restore');
  expect(
    await rehearseRestore({ ...harness, marks: marks(), restoreDrill: place }, { fence, signal: never }, caller),
  ).toBeNull();
});

describe('a rehearsal of a kept backup', () => {
  let keyFile: string;
  const key = randomBytes(32);
  beforeAll(async () => {
    keyFile = join(folder, 'backup.key');
    await writeFile(keyFile, key);
  });
  /** As `sallyport backup` does. */
  const backUpTo = async (place: string, config: BackupConfig): Promise<string> => {
    const source = await openBackupSource(harness.databaseUrl);
    const { tables, productVersion } = createRestoreDrill(harness.databaseUrl, { restoreDrillUrl: serverUrl })!;
    const { stream, result } = backUp({ ...harness, source }, { tables, key, productVersion });
    await writeBackupAt(place, stream, () => config);
    await source.close();
    return (await result).head.created_at;
  };

  test('restores the file, says when it was made, and finds a damaged one, another key and a missing one', async () => {
    const { backups } = loadConfig({});
    const file = join(folder, 'daily.backup');
    const madeAt = await backUpTo(file, backups);
    await harness.raw`INSERT INTO users (id, email) VALUES ('later', 'later@example.test')`;
    const kept = { restoreDrillBackup: file, restoreDrillKeyFile: keyFile, backups };
    const done = await rehearse(never, kept);
    expect(done).toMatchObject({ backup: 'kept', backup_of: madeAt, orphans: 0 });
    expect(await recorded()).toEqual([{ outcome: 'ok', detail: { ...done } }]);
    const bytes = await readFile(file);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(file, bytes);
    const failures = [
      [kept, 'backup_damaged'],
      [{ ...kept, restoreDrillBackup: join(folder, 'none') }, 'ENOENT'],
      [{ ...kept, restoreDrillKeyFile: join(folder, 'none') }, 'backup_key_file_invalid'],
      [{ ...kept, restoreDrillKeyFile: file }, 'backup_key_file_invalid'],
    ] as const;
    for (const [changed, code] of failures) {
      await expect(rehearse(never, changed)).rejects.toMatchObject({ code });
      expect(await recorded()).toEqual([{ outcome: 'failed', detail: { code } }]);
    }
    expect(await scratches()).toBe(0);
  });

  test.skipIf(program === undefined)('restores it from an object store, and names a store that refuses', async () => {
    const gateway = await startS3Gateway(program as string);
    try {
      const { backups } = loadConfig(gateway.env);
      const place = 's3://backups/daily.backup';
      const madeAt = await backUpTo(place, backups);
      const kept = { restoreDrillBackup: place, restoreDrillKeyFile: keyFile, backups };
      expect(await rehearse(never, kept)).toMatchObject({ backup: 'kept', backup_of: madeAt, orphans: 0 });
      gateway.fault = () => ({ answer: 403 });
      await expect(rehearse(never, kept)).rejects.toMatchObject({ code: 'backup_store_refused' });
      expect(await recorded()).toEqual([{ outcome: 'failed', detail: { code: 'backup_store_refused' } }]);
      expect(await scratches()).toBe(0);
    } finally {
      await gateway.close();
    }
  });
});

test('a server without the roles of the product serves too, with a login that may only create databases', async () => {
  const stores = await startOwnStores();
  try {
    const url = new URL(stores.databaseUrl);
    await queryRows(stores.databaseUrl)`CREATE ROLE drill LOGIN CREATEDB PASSWORD 'drill'`;
    Object.assign(url, { username: 'drill', password: 'drill', pathname: '/postgres' });
    expect(await rehearse(never, { restoreDrillUrl: url.href })).toMatchObject({ backup: 'fresh', orphans: 0 });
    const left = await queryRows(stores.databaseUrl)`
      SELECT datname AS name FROM pg_database WHERE datname LIKE 'sallyport_drill%'
      UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'sallyport\\_%'`;
    expect(left).toEqual([]);
    await queryRows(stores.databaseUrl)`ALTER ROLE drill NOCREATEDB`;
    await expect(rehearse(never, { restoreDrillUrl: url.href })).rejects.toMatchObject({
      code: 'restore_drill_not_allowed',
    });
  } finally {
    await stores.dispose();
  }
});
