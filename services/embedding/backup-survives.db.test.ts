import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { erasePersonal } from '#services/core/audit/erase-personal.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { createFileLogMark } from '#services/platform/marks/file-log-mark.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { openPhiHarness, type PhiHarness, phiCopyOf } from '#services/wings/privacy/phi-harness.ts';
import { shredPhi } from '#services/wings/privacy/shred-phi.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { giveKeys } from '#tools/testing/harness/log.ts';
import { createEmptyDatabase, createTestPorts, queryRows, testCaller } from '#tools/testing/harness/ports.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { type BackupResult, BackupService } from './backup-service.ts';

asShipped();

let harness: PhiHarness;
const folder = testFolder();
const databases: Awaited<ReturnType<typeof createEmptyDatabase>>[] = [];
beforeAll(async () => {
  harness = await openPhiHarness();
  await giveKeys(harness.ports);
});
afterAll(async () => {
  for (const database of databases) await database.drop();
  await harness?.close();
});

const key = randomBytes(32);
const serviceOf = (dataDir: string) =>
  new BackupService(
    { ...harness.ports, wings: { leftOut: [] }, marks: createFileMarks(dataDir), auditLogKeys: async () => [] },
    { DATABASE_URL: harness.ports.databaseUrl, SALLYPORT_DATA_DIR: dataDir },
  );
const backUp = (name: string): Promise<BackupResult> =>
  serviceOf(folder).backupAuthenticationData({ file: join(folder, name), key });
async function restore(name: string): Promise<string> {
  const database = await createEmptyDatabase(harness.ports.databaseUrl);
  databases.push(database);
  const dataDir = await mkdtemp(join(folder, 'data-'));
  await serviceOf(dataDir).restoreAuthenticationData({ file: join(folder, name), key, into: database.url });
  return database.url;
}

/** Runs work while a backup waits in its midst, behind a lock on the last table. */
async function inTheMidst<T>(backup: () => Promise<T>, work: () => Promise<unknown>): Promise<T> {
  const locked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const held = harness.ports.transact(async (tx) => {
    await tx.query(defineStatement('')`LOCK TABLE job_schedules IN ACCESS EXCLUSIVE MODE`);
    locked.resolve();
    await released.promise;
  });
  await locked.promise;
  const running = backup();
  running.catch(() => {});
  const waiting = () =>
    harness.ports.raw`SELECT FROM pg_stat_activity
      WHERE application_name = 'sallyport-backup' AND datname = current_database() AND wait_event_type = 'Lock'`;
  await expect.poll(waiting, { timeout: 60_000, interval: 20 }).toHaveLength(1);
  await work().finally(released.resolve);
  await held;
  return running;
}

const decryptThere = async (url: string, envelope: Awaited<ReturnType<PhiHarness['encrypt']>>): Promise<unknown> => {
  const there = createTestPorts(url);
  return phiCopyOf(there)
    .decrypt(envelope)
    .finally(() => there.end());
};

test('a person who is shredded while a backup is written is in no backup: what was shredded stays unreadable after a restore', async () => {
  const shredded = await harness.encrypt('secret', { subject_id: 'gone' });
  const kept = await harness.encrypt('kept', { subject_id: 'stays' });
  const overtaken = inTheMidst(
    () => backUp('overtaken'),
    () => shredPhi(harness.ports, { subject_id: 'gone', reason: 'asked' }, testCaller),
  );
  await expect(overtaken).rejects.toMatchObject({ code: 'backup_overtaken' });
  expect((await readdir(folder)).filter((name) => name.startsWith('overtaken'))).toEqual([]);
  await backUp('after');
  const url = await restore('after');
  await expect(decryptThere(url, shredded)).rejects.toMatchObject({ code: 'phi_shredded' });
  expect(await decryptThere(url, kept)).toBe('kept');
});

test('keys that rotate while a backup is written: every value is readable in the restored database, and here', async () => {
  const value = await harness.encrypt('rotated', { subject_id: 'rotates' });
  await inTheMidst(
    () => backUp('rotating'),
    async () => {
      await harness.startRotation();
      await harness.rotate();
    },
  );
  expect(await harness.decrypt(value)).toBe('rotated');
  expect(await decryptThere(await restore('rotating'), value)).toBe('rotated');
});

test('a backup is refused where only the mark of another installation’s log is left, and nothing is restored', async () => {
  await backUp('foreign');
  const dataDir = await mkdtemp(join(folder, 'data-'));
  const another = { origin: 'another.example/log', size: 1, root: randomBytes(32).toString('base64') };
  await createFileLogMark(dataDir).swap(null, another);
  const database = await createEmptyDatabase(harness.ports.databaseUrl);
  databases.push(database);
  const restored = serviceOf(dataDir).restoreAuthenticationData({
    file: join(folder, 'foreign'),
    key,
    into: database.url,
  });
  await expect(restored).rejects.toMatchObject({
    code: 'backup_other_installation',
    options: { detail: expect.stringContaining('those of the log another.example/log') },
  });
  expect(await queryRows(database.url)`SELECT FROM pg_tables WHERE schemaname = 'public'`).toEqual([]);
});

test('a backup of an older schema, and of one that this version does not know, are refused by name', async () => {
  const [last] = await harness.ports.raw<{ name: string; checksum: string }>`SELECT migration_name AS name, checksum
    FROM _prisma_migrations ORDER BY migration_name DESC LIMIT 1`;
  const set = (checksum: string, isDone: boolean) =>
    harness.ports
      .raw`UPDATE _prisma_migrations SET checksum = ${checksum}, finished_at = CASE WHEN ${isDone} THEN now() END
      WHERE migration_name = ${last?.name}`;
  await set(last?.checksum as string, false);
  await backUp('older');
  await set('0'.repeat(64), true);
  await backUp('unknown');
  await set(last?.checksum as string, true);
  await expect(restore('older')).rejects.toMatchObject({ code: 'backup_schema_older' });
  await expect(restore('unknown')).rejects.toMatchObject({ code: 'backup_schema_unknown' });
});

test('a person who is erased from the audit log while a backup is written is in no backup', async () => {
  await harness.ports.raw`INSERT INTO audit_log (origin, first_seq, root) VALUES ('test/log', 0, sha256(''))`;
  const overtaken = inTheMidst(
    () => backUp('erased'),
    () => erasePersonal(harness.ports, { subject: 'gone' }, testCaller),
  );
  await expect(overtaken).rejects.toMatchObject({ code: 'backup_overtaken' });
  expect((await backUp('erased')).rows).toBeGreaterThan(0);
});
