import pg from 'pg';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createEmptyDatabase } from '#testing/harness/ports.ts';
import { createTestDatabase, type TestDatabase } from '#testing/harness/stores.ts';
import { migrate, migrationStates } from './migrate.ts';

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
  const { rows } = await client.query(
    `UPDATE _prisma_migrations SET checksum = '' WHERE migration_name LIKE '%00_access' RETURNING migration_name AS name`,
  );
  const [{ name }] = rows;
  expect(await statesBut('applied')).toEqual([{ name, state: 'changed' }]);
  await expect(migrate(database.url)).rejects.toMatchObject({
    code: 'migration_changed',
    message: expect.stringContaining(name),
    fix: expect.stringContaining('an empty database'),
  });
});
