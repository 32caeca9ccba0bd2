import { beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import {
  appliedMigrations,
  applyMigration,
  migrate,
  migrationRefusal,
  migrationStates,
  prepareHistory,
} from '#services/platform/postgres/migrate.ts';
import { readMigrations } from '#services/platform/postgres/migration-files.ts';
import { connectedClient, createEmptyDatabase, rowsOf } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { assertSchemaOf } from './old-chain.ts';

// The schema at the end of the chain was compared with that of the baseline once, and was the same: so a database of the chain
// is one of the baseline with the history of the chain.
const FIRST = '20261121000100_audit';
const LAST = '20261127020100_collapsed_revocations';
const ALL = [FIRST, '20261126180000_traced_rights', LAST];

const [baseline, ...later] = await readMigrations();
const database = opened(() => createEmptyDatabase(inject('templateUrl')));
const client = opened(() => connectedClient(database.url));
beforeAll(async () => {
  await prepareHistory(client);
  await applyMigration(client, baseline!);
});

async function ofChain(names: readonly string[]): Promise<void> {
  await client.query('DELETE FROM _prisma_migrations');
  await rowsOf(client)`INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name)
    SELECT gen_random_uuid(), '', now(), unnest(${names}::text[])`;
}
/** Everything that a start could change. */
async function contents(): Promise<unknown> {
  const rows = await rowsOf(client)`SELECT (SELECT array_agg(nspname ORDER BY 1) FROM pg_namespace) AS schemas,
    (SELECT json_agg(m ORDER BY migration_name) FROM _prisma_migrations m) AS history,
    (SELECT array_agg(relname ORDER BY 1) FROM pg_class WHERE relkind = 'r') AS tables`;
  return rows;
}

test('a database with less of the chain, or with more than it, is refused in one line with the fix, and unchanged', async () => {
  const later = '20261127020101_of_a_branch';
  for (const names of [ALL.slice(0, 2), [...ALL, later]]) {
    await ofChain(names);
    const before = await contents();
    await expect(migrate(database.url)).rejects.toMatchObject({
      code: 'migrations_replaced',
      message: expect.stringMatching(new RegExp(`^[^\\n]*up to ${names.at(-1)}$`)),
      fix: expect.stringMatching(/^start it once with commit [0-9a-f]{10}, .* an empty database: [^\n]*$/),
    });
    expect(await contents()).toEqual(before);
  }
});

test.each([
  ['a table', 'CREATE TABLE added ()', 'added'],
  ['a missing table', 'DROP TABLE capacity_samples', 'capacity_samples'],
  ['a column', 'ALTER TABLE users ADD nickname text', 'column users.nickname'],
  [
    'another order of columns',
    'ALTER TABLE job_fences DROP job; ALTER TABLE job_fences ADD job text PRIMARY KEY',
    'job_fences',
  ],
  ['a default', `ALTER TABLE users ALTER image SET DEFAULT 'x'`, 'users.image'],
  ['a constraint', 'ALTER TABLE users DROP CONSTRAINT users_email_ascii', 'users_email_ascii'],
  ['an index', 'DROP INDEX users_email_prefix', 'users_email_prefix'],
  [
    'another function',
    `CREATE OR REPLACE FUNCTION audit_reason() RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'`,
    'audit_reason',
  ],
  ['a function that runs as its caller', 'ALTER FUNCTION user_roles_changed() SECURITY INVOKER', 'user_roles_changed'],
  ['a missing trigger', 'DROP TRIGGER users_epoch_rises ON users', 'users_epoch_rises'],
  ['a disabled trigger', 'ALTER TABLE users DISABLE TRIGGER users_epoch_rises', 'users_epoch_rises'],
  ['a right to a table', 'GRANT DELETE ON revocations TO sallyport_api', 'DELETE on revocations of sallyport_api'],
  ['a right to a column', 'GRANT UPDATE (email) ON users TO sallyport_mcp', 'UPDATE on users (email) of sallyport_mcp'],
  ['a right to a function', 'GRANT EXECUTE ON FUNCTION collapse_revocations TO PUBLIC', 'collapse_revocations'],
  ['a declared right', `COMMENT ON TABLE releases IS 'api: SELECT'`, 'releases'],
  ['a sequence', 'ALTER SEQUENCE signoff_policy_versions INCREMENT 2', 'signoff_policy_versions'],
  ['row security', 'ALTER TABLE users ENABLE ROW LEVEL SECURITY', 'users'],
])('a schema with %s is not that of the baseline', async (_what, change, named) => {
  await client.query('BEGIN');
  onTestFinished(async () => void (await client.query('ROLLBACK')));
  await client.query(change);
  await expect(assertSchemaOf(client, baseline!)).rejects.toMatchObject({
    code: 'schema_differs',
    message: expect.stringContaining(named),
    fix: 'undo what was changed by hand, then start again',
  });
});

test('a database of the chain with another schema is refused, and unchanged', async () => {
  await ofChain(ALL);
  await client.query('CREATE INDEX by_hand ON users (name)');
  const before = await contents();
  await expect(migrate(database.url)).rejects.toMatchObject({
    code: 'schema_differs',
    message: expect.stringContaining('by_hand'),
  });
  expect(await contents()).toEqual(before);
  await client.query('DROP INDEX by_hand');
});

test('what comes and goes in use is no difference: partitions of days, statistics, an extension', async () => {
  await client.query(`SELECT audit_outbox_partition('2020-01-01'), audit_outbox_partition('2020-01-02')`);
  await rowsOf(client)`
    SELECT audit_outbox_detach('2020-01-01'); CREATE EXTENSION IF NOT EXISTS pg_stat_statements; ANALYZE users`;
  await client.query('BEGIN');
  await assertSchemaOf(client, baseline!);
  await client.query('ROLLBACK');
});

test('a database with the whole chain of old migrations is adopted: its history is the baseline, its rows stay, and two starts at once adopt it once', async () => {
  await client.query(`INSERT INTO users (id, email) VALUES ('ada', 'ada@people.test')`);
  await ofChain(ALL);
  const told: string[] = [];
  expect(migrationRefusal(await migrationStates(database.url))).toMatchObject({
    fix: expect.stringContaining('adopts'),
  });
  const both = await Promise.all([1, 2].map(() => migrate(database.url, (text) => void told.push(text))));
  const names = later.map(({ name }) => name);
  expect(both.flat()).toEqual(names);
  expect(told.filter((text) => text.includes('stands for the migrations before it'))).toHaveLength(1);
  expect(await appliedMigrations(client)).toEqual([baseline!.name, ...names]);
  expect((await migrationStates(database.url)).every(({ state }) => state === 'applied')).toBe(true);
  expect((await client.query('SELECT id FROM users')).rows).toEqual([{ id: 'ada' }]);
});
