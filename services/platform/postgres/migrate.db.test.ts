import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest';
import { describeSchema, differencesOf } from '#prisma/describe-schema.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { createEmptyDatabase, rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, type TestDatabase } from '#tools/testing/harness/stores.ts';
import { childEnv } from '#tools/testing/processes/child-env.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { migrate, migrationStates, namingRefusal, prepareHistory, withMigrationLock } from './migrate.ts';

let database: TestDatabase;
let client: pg.Client;

async function use(next: TestDatabase): Promise<void> {
  database = next;
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
}
beforeEach(async () => use(await createTestDatabase()));
afterEach(async () => {
  await client.end();
  await database.drop();
});

const note = (name: string): Promise<unknown> =>
  client.query(
    `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name) VALUES (gen_random_uuid(), '', now(), $1)`,
    [name],
  );
const statesBut = async (usual: string) => (await migrationStates(database.url)).filter(({ state }) => state !== usual);

test('refuses a database with unknown migrations, names them and leaves the database unchanged', async () => {
  await client.end();
  await database.drop();
  await use(await createEmptyDatabase(inject('templateUrl')));
  await migrationStates(database.url);
  await note('20200101000000_first');
  await note('20200101000100_second');
  expect(await statesBut('pending')).toEqual([
    { name: '20200101000000_first', state: 'unknown' },
    { name: '20200101000100_second', state: 'unknown' },
  ]);
  await expect(migrate(database.url)).rejects.toMatchObject({
    code: 'migrations_diverged',
    message: expect.stringContaining('20200101000000_first and 1 more'),
    fix: expect.stringContaining('an empty database'),
  });
  const { rows } = await client.query(`SELECT to_regclass('users') AS users`);
  expect(rows).toEqual([{ users: null }]);
});

test('accepts a database that a later version has migrated', async () => {
  await note('99990101000000_later');
  expect(await migrate(database.url)).toEqual([]);
  expect(await statesBut('applied')).toEqual([{ name: '99990101000000_later', state: 'unknown' }]);
});

test('refuses a migration whose file was changed after it was applied', async () => {
  const [row] = await rowsOf(client)`UPDATE _prisma_migrations SET checksum = '' WHERE migration_name LIKE '%_baseline'
    RETURNING migration_name AS name`;
  const { name } = row!;
  expect(await statesBut('applied')).toEqual([{ name, state: 'changed' }]);
  await expect(migrate(database.url)).rejects.toMatchObject({
    code: 'migration_changed',
    message: expect.stringContaining(name),
    fix: expect.stringContaining('an empty database'),
  });
});

test('an index is built concurrently while another start waits for its turn', async () => {
  const silent = (): void => {};
  let second: Promise<string> | undefined;
  const first = await withMigrationLock(database.url, silent, async (db) => {
    second = withMigrationLock(database.url, silent, async () => 'second');
    second.catch(silent);
    await eventually('the other start to ask for the lock', async () => {
      const rows = await rowsOf(client)`
        SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%advisory_lock%'
          AND application_name = 'sallyport-migrate'
            AND pid <> ${(await db.query('SELECT pg_backend_pid() AS pid')).rows[0].pid}`;
      return rows.length > 0;
    });
    await db.query('CREATE INDEX CONCURRENTLY a_test_index ON users (id)');
    return 'first';
  });
  expect([first, await second]).toEqual(['first', 'second']);
});

test('a migration killed with -9 leaves nothing; two that start at once afterwards apply it once', async () => {
  const folder = testFolder(onTestFinished);
  mkdirSync(join(folder, '20990101000000_slow'));
  const file = join(folder, '20990101000000_slow/migration.sql');
  writeFileSync(file, 'CREATE TABLE slow (); SELECT pg_sleep(1); INSERT INTO slow DEFAULT VALUES;');
  writeFileSync(join(folder, '20990101000000_slow/phase.json'), '{"phase":"contract","down":"none, because a test"}');
  const program = fileURLToPath(new URL('../../../tools/testing/processes/migrate.ts', import.meta.url));
  const child = spawn(process.execPath, [program, database.url, folder], { env: childEnv(), stdio: 'inherit' });
  const ended = once(child, 'exit');
  await eventually('the migration to be within its transaction', async () => {
    const rows = await rowsOf(client)`SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE 'CREATE TABLE slow%' AND wait_event = 'PgSleep'`;
    return rows.length > 0;
  });
  child.kill('SIGKILL');
  expect((await ended)[1]).toBe('SIGKILL');

  const both = await Promise.all([1, 2].map(() => migrate(database.url, () => {}, [folder])));
  expect(both.flat()).toEqual(['20990101000000_slow']);
  expect((await client.query('SELECT count(*)::int AS n FROM slow')).rows).toEqual([{ n: 1 }]);
});

test('an upgrade that is interrupted at the end of each step goes on there, and ends with the schema of one that was not', async () => {
  const whole = await describeSchema(client);
  await client.end();
  await database.drop();
  await use(await createEmptyDatabase(inject('templateUrl')));
  await prepareHistory(client);
  await client.query(`
    CREATE SCHEMA test;
    CREATE TABLE test.passed (name text PRIMARY KEY);
    CREATE FUNCTION test.interrupt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_terminate_backend(pg_backend_pid())
      WHERE NOT EXISTS (SELECT FROM test.passed WHERE name = NEW.migration_name);
      RETURN NEW;
    END $$;
    CREATE TRIGGER interrupt BEFORE INSERT ON _prisma_migrations FOR EACH ROW EXECUTE FUNCTION test.interrupt()`);
  const names = (await migrationStates(database.url)).map(({ name }) => name);
  for (const name of names) {
    await expect(migrate(database.url)).rejects.toThrow(/terminat/);
    expect((await statesBut('applied'))[0]).toMatchObject({ name, state: 'pending' });
    await client.query('INSERT INTO test.passed VALUES ($1)', [name]);
  }
  expect(await migrate(database.url)).toEqual(names.slice(-1));
  await client.query('DROP TRIGGER interrupt ON _prisma_migrations; DROP SCHEMA test CASCADE');
  expect(differencesOf(await describeSchema(client), whole)).toEqual([]);
});

test('a login that may not create an extension is told who may, and needs nothing once it is there', async () => {
  await client.query('SET ROLE sallyport_api');
  const create = () =>
    namingRefusal('search', 'those before it stay', () => client.query('CREATE EXTENSION IF NOT EXISTS pg_trgm'));
  await create();
  await client.query('RESET ROLE; DROP EXTENSION pg_trgm CASCADE; SET ROLE sallyport_api');
  await expect(create()).rejects.toMatchObject({
    code: 'extension_missing',
    message: expect.stringContaining('permission denied to create extension'),
    fix: expect.stringContaining('CREATE EXTENSION pg_trgm'),
  });
  const find = 'CREATE INDEX a_test_index ON users USING gin (name gin_trgm_ops)';
  await client.query('RESET ROLE');
  await expect(namingRefusal('search', '', () => client.query(find))).rejects.toMatchObject({
    code: 'extension_missing',
  });
});
