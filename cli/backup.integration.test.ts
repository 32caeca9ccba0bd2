import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { defineStatement } from '../services/platform/define/statement.ts';
import { startCli } from '../tools/testing/processes/run-cli.ts';
import { backedUpTables } from './backup.ts';
import { KEK, openCliHarness } from './cli-harness.ts';

const harness = opened(() => openCliHarness());
let keyFile: string;
beforeAll(async () => {
  keyFile = join(harness.dataDir, 'backup.key');
  await writeFile(keyFile, randomBytes(32));
  await harness.ports.raw`INSERT INTO users (id, email, name)
    SELECT 'u' || n, 'u' || n || '@example.test', E'tab\\tline\\nback\\\\slash ü' FROM generate_series(1, 3000) n`;
});

const pathOf = (name: string) => join(harness.dataDir, name);

test('every table of the database is in the list of tables that are backed up', async () => {
  const rows = await harness.ports.raw<{ name: string }>`
    SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    AND NOT relispartition AND relname <> '_prisma_migrations' AND relname !~ '^audit_outbox_[0-9]{8}$' ORDER BY 1`;
  expect([...backedUpTables].sort()).toEqual(rows.map(({ name }) => name));
});

describe('sallyport backup', () => {
  test('writes a file that verifies with its key, holds every row, and shows nothing of them', async () => {
    const out = pathOf('one.backup');
    const made = await harness.json(['backup', '--out', out, '--key-file', keyFile]);
    const users = made.tables.find(({ table }: { table: string }) => table === 'users');
    expect(users.rows).toBe(3_000);
    const verified = await harness.json(['backup', 'verify', out, '--key-file', keyFile]);
    expect(verified).toMatchObject({ whole: true, authentic: true, tables: made.tables, rows: made.rows });
    expect((await readFile(out)).includes('example.test')).toBe(false);
    expect(await harness.json(['backup', 'verify', out])).toMatchObject({ whole: true, authentic: null });
    const { out: text } = await harness.sallyport(['backup', 'verify', out, '--key-file', keyFile]);
    expect(text).toContain('rows');
  });

  test('a damaged, truncated or other file, and another key, end with code 1 and name the damage', async () => {
    const out = pathOf('two.backup');
    await harness.json(['backup', '--out', out, '--key-file', keyFile]);
    const bytes = await readFile(out);
    const changed = Buffer.from(bytes);
    changed[changed.length >> 1] = (changed[changed.length >> 1] as number) ^ 4;
    await writeFile(pathOf('changed'), changed);
    await writeFile(pathOf('cut'), bytes.subarray(0, bytes.length - 100));
    await writeFile(pathOf('other'), 'SQLite format 3');
    await writeFile(pathOf('other.key'), randomBytes(32).toString('hex'));
    for (const [file, code, key] of [
      ['changed', 'backup_damaged', keyFile],
      ['cut', 'backup_truncated', keyFile],
      ['other', 'backup_unknown_format', keyFile],
      ['two.backup', 'backup_key_wrong', pathOf('other.key')],
    ] as const) {
      const { code: exit, err } = await harness.sallyport(['backup', 'verify', pathOf(file), '--key-file', key]);
      expect([exit, err]).toEqual([1, expect.stringContaining(code)]);
    }
    for (const file of ['changed', 'cut'])
      expect((await harness.sallyport(['backup', 'verify', pathOf(file)])).code).toBe(1);
  });

  test('a dry run and wrong options write nothing', async () => {
    const out = pathOf('none.backup');
    expect(await harness.json(['backup', '--out', out, '--key-file', keyFile, '--dry-run'])).toMatchObject({
      tables: backedUpTables,
    });
    await writeFile(pathOf('short.key'), 'short');
    for (const args of [
      ['--out', out],
      ['--key-file', keyFile],
      ['--out', out, '--key-file', pathOf('short.key')],
      ['--out', out, '--key-file', pathOf('missing.key')],
    ]) {
      const { code, err } = await harness.sallyport(['backup', ...args]);
      expect([code, err]).toEqual([2, expect.stringMatching(/key|--out/)]);
    }
    expect((await harness.sallyport(['backup', 'verify', pathOf('missing')])).code).toBe(2);
    for (const [store, why] of [
      ['s3://bucket/one.backup', 'backup_place_invalid'],
      ['gs://bucket/one.backup', 'no place for backups'],
    ] as const)
      for (const args of [
        ['backup', '--out', store, '--key-file', keyFile],
        ['backup', 'verify', store],
      ])
        expect(await harness.sallyport(args)).toMatchObject({ code: 2, err: expect.stringContaining(why) });
    expect((await harness.sallyport(['backup', '--out', pathOf('no/folder'), '--key-file', keyFile])).code).toBe(2);
    expect((await readdir(harness.dataDir)).filter((name) => name.startsWith('none'))).toEqual([]);
  });

  test('kill -9 in the midst of it leaves no file under the name, and the next run removes the rest', async () => {
    const out = pathOf('killed.backup');
    // A lock on the last table holds the backup in its midst.
    const locked = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const held = harness.ports.transact(async (tx) => {
      await tx.query(defineStatement('')`LOCK TABLE ${backedUpTables.at(-1)} IN ACCESS EXCLUSIVE MODE`);
      locked.resolve();
      await released.promise;
    });
    await locked.promise;
    const child = startCli(['backup', '--out', out, '--key-file', keyFile], {
      DATABASE_URL: harness.ports.databaseUrl,
      SALLYPORT_DATA_DIR: harness.dataDir,
      KEY_ENCRYPTION_KEY: KEK.toString('base64'),
    });
    const partial = `killed.backup.partial-${child.pid}-`;
    const isBegun = async () => (await readdir(harness.dataDir)).some((name) => name.startsWith(partial));
    await expect.poll(isBegun, { timeout: 60_000, interval: 5 }).toBe(true);
    child.kill('SIGKILL');
    await new Promise((done) => child.once('close', done));
    released.resolve();
    await held;
    const names = await readdir(harness.dataDir);
    expect(names).not.toContain('killed.backup');
    await harness.json(['backup', '--out', out, '--key-file', keyFile]);
    expect((await readdir(harness.dataDir)).filter((name) => name.startsWith('killed'))).toEqual(['killed.backup']);
  });
});
