import { randomBytes } from 'node:crypto';
import { chown, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Caller } from '../services/core/ports.ts';
import { createFileMarks } from '../services/platform/marks/file-marks.ts';
import { takeFence } from '../services/platform/queue/fences.ts';
import { rehearseRestore } from '../services/wings/recovery/backup/rehearse-restore.ts';
import { createRestoreDrill } from '../services/worker/restore-drill.ts';
import { mountSmallDisk, type SmallDisk } from '../tools/chaos/disk.ts';
import { openLogHarness } from '../tools/testing/harness/log.ts';
import { createTestPorts, testCaller } from '../tools/testing/harness/ports.ts';
import { onServer } from '../tools/testing/harness/stores.ts';
import { runCli } from '../tools/testing/processes/run-cli.ts';
import { type CliHarness, KEK, openCliHarness } from './cli-harness.ts';

const BALLAST_BYTES = 20 * 1_024 * 1_024;
/** For a connection, and not for the tables. */
const ROOM_BYTES = 2 * 1_024 * 1_024;
const TABLESPACE = `small_${randomBytes(4).toString('hex')}`;

const canMount = process.platform === 'linux' && process.getuid?.() === 0;
if (!canMount) console.warn('SKIPPED: backups and restores on a full disk: only root may mount a small one');

describe.skipIf(!canMount)('a full disk', () => {
  let harness: CliHarness;
  let disk: SmallDisk;
  let mount: string;
  let keyFile: string;
  beforeAll(async () => {
    harness = await openCliHarness();
    mount = join(harness.dataDir, 'small');
    disk = mountSmallDisk(mount);
    keyFile = join(harness.dataDir, 'backup.key');
    await writeFile(keyFile, randomBytes(32));
    await harness.ports.raw`INSERT INTO users (id, email)
      SELECT 'u' || n, sha512(random()::text::bytea)::text || sha512(random()::text::bytea)::text || '@example.test'
      FROM generate_series(1, 7000) n`;
  });
  afterAll(async () => {
    disk?.unmount();
    await harness?.close();
  });

  const env = () => ({
    DATABASE_URL: harness.ports.databaseUrl,
    SALLYPORT_DATA_DIR: harness.dataDir,
    KEY_ENCRYPTION_KEY: KEK.toString('base64'),
  });
  const run = (args: readonly string[]) => runCli([...args, '--key-file', keyFile, '--json'], env());

  /** Its files lie on the small disk. Resolves to what drops it. */
  async function createSmallTablespace(): Promise<() => Promise<unknown>> {
    const folder = await mkdtemp(join(mount, 'postgres-'));
    const [{ data = '' } = {}] = await harness.ports.raw<{ data: string }>`
      SELECT current_setting('data_directory') AS data`;
    const { uid, gid } = await stat(data);
    await chown(folder, uid, gid);
    await onServer((admin) => admin.query(`CREATE TABLESPACE ${TABLESPACE} LOCATION '${folder}'`));
    return () => onServer((admin) => admin.query(`DROP TABLESPACE ${TABLESPACE}`));
  }

  test('ends a backup with a code, keeps the earlier file, and leaves nothing beside it', async () => {
    const folder = join(mount, 'backups');
    await mkdir(folder);
    const out = join(folder, 'daily');
    const first = await run(['backup', '--out', out]);
    expect(first.code, first.err).toBe(0);
    disk.fill();
    const full = await run(['backup', '--out', out]);
    expect([full.code, full.err]).toEqual([1, expect.stringContaining('backup_place_full')]);
    expect(await readdir(folder)).toEqual(['daily']);
    expect((await run(['backup', 'verify', out])).code).toBe(0);
    disk.empty();
    expect((await run(['backup', '--out', out])).code).toBe(0);
    await rm(folder, { recursive: true });
  });

  test('of the database ends a restore with a code; it is undone, and repeated when there is room', async () => {
    const out = join(harness.dataDir, 'one');
    const made = JSON.parse((await run(['backup', '--out', out])).out);
    const { incarnation, revocation_epoch: revocationEpoch, beat } = made;
    await createFileMarks(harness.dataDir).raise({ incarnation, revocationEpoch, beat });
    const drop = await createSmallTablespace();
    const url = Object.assign(new URL(harness.ports.databaseUrl), { pathname: `/${TABLESPACE}` });
    try {
      await onServer((admin) => admin.query(`CREATE DATABASE ${TABLESPACE} TABLESPACE ${TABLESPACE}`));
      const restore = () => run(['restore', '--from', out, '--into', url.href]);
      // First no room for the tables, then none for the rows.
      const forNoTables = async (): Promise<void> => {
        await writeFile(join(mount, 'room'), Buffer.alloc(ROOM_BYTES));
        disk.fill();
        await rm(join(mount, 'room'));
      };
      const forNoRows = () => writeFile(join(mount, 'filler'), Buffer.alloc(BALLAST_BYTES));
      for (const takeRoom of [forNoTables, forNoRows]) {
        await takeRoom();
        const full = await restore();
        expect([full.code, full.err]).toEqual([1, expect.stringContaining('restore_target_full')]);
        disk.empty();
      }
      const ports = createTestPorts(url.href);
      expect(await ports.raw`SELECT FROM users`.finally(() => ports.end())).toEqual([]);
      const again = await restore();
      expect(again.code, again.err).toBe(0);
      expect(JSON.parse(again.out)).toMatchObject({ rows: made.rows, standing: 'current' });
    } finally {
      await onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${TABLESPACE} WITH (FORCE)`));
      await drop();
    }
  });

  test('of the rehearsal fails it: the event says why, and its database is dropped', async () => {
    const log = await openLogHarness();
    const drop = await createSmallTablespace();
    const login = `drill_${TABLESPACE}`;
    const url = new URL(harness.ports.databaseUrl);
    Object.assign(url, { pathname: '/postgres', username: login, password: 'drill' });
    await onServer(async (admin) => {
      await admin.query(`CREATE ROLE ${login} SUPERUSER LOGIN PASSWORD 'drill'`);
      await admin.query(`ALTER ROLE ${login} SET default_tablespace = ${TABLESPACE}`);
    });
    try {
      disk.fill();
      const marks = createFileMarks(join(harness.dataDir, 'drill'));
      const rehearsal = rehearseRestore(
        { ...log, marks, restoreDrill: createRestoreDrill(log.databaseUrl, { restoreDrillUrl: url.href }) },
        { fence: await takeFence(log.sql, 'rehearse-restore'), signal: new AbortController().signal },
        testCaller as Caller & { readonly kind: 'system' },
      );
      await expect(rehearsal).rejects.toMatchObject({ code: 'restore_target_full' });
      const events =
        await log.raw`SELECT outcome, detail FROM audit_outbox WHERE type = 'operations.restore_rehearsed'`;
      expect(events).toEqual([{ outcome: 'failed', detail: { code: 'restore_target_full' } }]);
      const [{ incarnation = '' } = {}] = await log.raw<{ incarnation: string }>`SELECT incarnation FROM feed_state`;
      const left = `SELECT FROM pg_database WHERE starts_with(datname, 'sallyport_drill_${incarnation.slice(0, 8)}')`;
      expect(await log.raw(left)).toEqual([]);
    } finally {
      disk.empty();
      await onServer((admin) => admin.query(`DROP ROLE ${login}`));
      await drop();
      await log.end();
    }
  });
});
