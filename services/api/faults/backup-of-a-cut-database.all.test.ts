import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { BackupService } from '#services/embedding/backup-service.ts';
import { modules } from '#services/modules.ts';
import { writeFileAtOnce } from '#services/platform/backups/file-place.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { openBackupSource } from '#services/platform/postgres/table-copies.ts';
import { queueTables } from '#services/platform/queue/tables.ts';
import { backUp } from '#services/wings/recovery/backup/back-up.ts';
import { verifyBackup } from '#services/wings/recovery/backup/read-backup.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const USERS = 5_000;
const key = randomBytes(32);

const folder = testFolder();
const ports = opened(openTestPorts);
const proxy = opened(() => startTcpProxy(ports.databaseUrl));
beforeAll(async () => {
  await ports.raw(
    `INSERT INTO users (id, email) SELECT 'u' || n, sha512(n::text::bytea)::text || '@example.test' FROM generate_series(1, ${USERS}) n`,
  );
});

const backUpTo = (file: string) =>
  new BackupService(
    { ...ports, wings: { leftOut: [] }, marks: createFileMarks(folder), auditLogKeys: async () => [] },
    { DATABASE_URL: proxy.url, SALLYPORT_DATA_DIR: folder },
  ).backupAuthenticationData({ file, key });

/** The gate: what a disturbed backup left. A file that verifies and lacks rows is the only wrong answer. */
async function left(file: string): Promise<'nothing' | 'every row' | 'a file that lacks rows'> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (!isThere) return 'nothing';
  const { foot } = await verifyBackup(key, createReadStream(file));
  for (const { table, rows } of foot.tables) {
    const [row] = await ports.raw<{ count: number }>(`SELECT count(*) AS count FROM "${table}"`);
    if (row?.count !== rows) return 'a file that lacks rows';
  }
  return 'every row';
}

test('a backup of a slow database is late, and whole', async () => {
  const file = join(folder, 'slow');
  proxy.delay(1);
  await backUpTo(file).finally(() => proxy.delay(0));
  expect(await left(file)).toBe('every row');
});

test.each(['COPY "users"', 'SELECT last_value'])(
  'a database that is cut off while it answers %s leaves no file, and the next backup is whole',
  { timeout: 240_000 },
  async (statement) => {
    const file = join(folder, statement.replaceAll(/\W/g, ''));
    proxy.holdAnswersTo(statement);
    const running = backUpTo(file);
    running.catch(() => {});
    const reached = () =>
      ports.raw`SELECT FROM pg_stat_activity WHERE application_name = 'sallyport-backup'
        AND datname = current_database() AND starts_with(query, ${statement})`;
    await expect.poll(reached, { timeout: 60_000, interval: 10 }).toHaveLength(1);
    await proxy.cut();
    await expect(running).rejects.toThrow();
    expect(await left(file)).toBe('nothing');
    expect((await readdir(folder)).filter((name) => name.includes('.partial-'))).toEqual([]);
    proxy.thaw();
    await proxy.restore();
    await backUpTo(file);
    expect(await left(file)).toBe('every row');
  },
);

test('the gate sees a backup that takes a lost connection for the end of a table', async () => {
  const source = await openBackupSource(ports.databaseUrl);
  const file = join(folder, 'planted');
  const { stream } = backUp(
    {
      ...ports,
      source: {
        ...source,
        async *rowsOf(table, onRow) {
          if (table.table !== 'users') yield* source.rowsOf(table, onRow);
        },
      },
    },
    { tables: [...modules.flatMap(({ tables }) => tables), ...queueTables], key, productVersion: 'test' },
  );
  await writeFileAtOnce(file, stream);
  await source.close();
  expect(await left(file)).toBe('a file that lacks rows');
});
