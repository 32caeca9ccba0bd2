import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { SchemaEngine } from '@prisma/schema-engine-wasm';
import { beforeAll, expect, test } from 'vitest';
import { connectedClient, rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { migrationStates } from './migrate.ts';

const MODELS = join(import.meta.dirname, '../../../prisma/schema');
const MIGRATIONS = join(import.meta.dirname, '../../../prisma/migrations');
const NO_FILTERS = { externalTables: [], externalEnums: [] };

const database = opened(createTestDatabase);
const client = opened(() => connectedClient(database.url));
let engine: SchemaEngine;
beforeAll(async () => {
  const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg({ connectionString: database.url }));
  engine = await SchemaEngine.new({ datamodels: undefined }, () => {}, adapter);
  await client.query('CREATE SCHEMA models');
  await client.query('SET search_path = models, public');
  await client.query(await sqlOfModels());
});

/** Statements with which Prisma would create the tables of its models in an empty database. */
async function sqlOfModels(): Promise<string> {
  const files = readdirSync(MODELS).map((path) => ({ path, content: readFileSync(`${MODELS}/${path}`, 'utf8') }));
  const { stdout } = await engine.diff({
    from: { tag: 'empty' },
    to: { tag: 'schemaDatamodel', files },
    script: true,
    exitCode: null,
    filters: NO_FILTERS,
  });
  return stdout ?? '';
}

/** Normalises equivalent spellings, and removes what models cannot express: collations and storage parameters of indexes. */
const SPELLINGS: readonly (readonly [RegExp, string])[] = [
  [/\b(public|models)\./g, ''],
  [/\bnow\(\)/, 'CURRENT_TIMESTAMP'],
  [/ARRAY\[\]::/, "'{}'::"],
  [/timestamp\(6\)/, 'timestamp'],
  [/ ON ONLY /, ' ON '],
  [/ COLLATE "C"/, ''],
  [/ WITH \([^)]*\)/, ''],
];

/**
 * Describes the tables of a schema as lines: columns with type, nullability and default, primary and foreign keys, indexes
 * (which include unique constraints). Models have no partitions, triggers, functions, CHECK and EXCLUDE constraints,
 * nullable lists or identity options.
 */
async function tablesOf(schema: 'public' | 'models'): Promise<string[]> {
  await client.query(`SET search_path = ${schema}`);
  const rows = await rowsOf(client)<{ line: string }>`WITH tables AS (
      SELECT oid, relname AS name FROM pg_class
      WHERE relnamespace = ${schema}::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND relname <> '_prisma_migrations')
    SELECT format('%s.%s %s%s%s', t.name, a.attname, format_type(a.atttypid, a.atttypmod),
                  CASE WHEN a.attnotnull AND a.attndims = 0 THEN ' not null' END,
                  CASE WHEN a.attidentity = '' AND e.text NOT LIKE 'nextval(%' THEN ' default ' || e.text END) AS line
      FROM tables t
      JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum, pg_get_expr(d.adbin, d.adrelid) e (text)
    UNION ALL
    SELECT format('%s: %s %s', t.name, c.conname, pg_get_constraintdef(c.oid))
      FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype IN ('p', 'f')
    UNION ALL
    SELECT format('%s: %s', t.name, pg_get_indexdef(i.indexrelid))
      FROM tables t JOIN pg_index i ON i.indrelid = t.oid AND NOT i.indisexclusion`;
  const lines = rows.map(({ line }) => SPELLINGS.reduce((text, [from, to]) => text.replace(from, to), line));
  return lines.sort();
}

test('a database built from the migrations equals the Prisma schema', async () => {
  const [built, modelled] = [await tablesOf('public'), await tablesOf('models')];
  expect(built.length).toBeGreaterThan(400);
  expect(built).toEqual(modelled);
});

test.each([
  ['a table', 'CREATE TABLE added (name text)', 'added.name text'],
  ['a column', 'ALTER TABLE users ADD nickname text', 'users.nickname text'],
  ['a column’s type', 'ALTER TABLE users ALTER image TYPE varchar(9)', 'users.image character varying(9)'],
  ['a column that may not be null', 'ALTER TABLE users ALTER image SET NOT NULL', 'users.image text not null'],
  ['a default', "ALTER TABLE users ALTER image SET DEFAULT 'x'", "users.image text default 'x'::text"],
  ['an index', 'CREATE INDEX added ON users (image)', 'users: CREATE INDEX added ON users USING btree (image)'],
  [
    'a unique key',
    'ALTER TABLE users ADD CONSTRAINT added UNIQUE (image)',
    'users: CREATE UNIQUE INDEX added ON users USING btree (image)',
  ],
  [
    'a foreign key',
    'ALTER TABLE users ADD CONSTRAINT added FOREIGN KEY (image) REFERENCES users',
    'users: added FOREIGN KEY (image) REFERENCES users(id)',
  ],
])('%s that only the migrations or only the models have is reported as a difference', async (_what, change, line) => {
  for (const schema of ['public', 'models'] as const) {
    const other = schema === 'public' ? 'models' : 'public';
    await client.query('BEGIN');
    await client.query(`SET LOCAL search_path = ${schema}`);
    await client.query(change);
    const [changed, unchanged] = [await tablesOf(schema), await tablesOf(other)];
    await client.query('ROLLBACK');
    expect(changed.filter((each) => !unchanged.includes(each))).toEqual([line]);
  }
});

test('Prisma and our runner agree on the applied migrations', async () => {
  const folders = readdirSync(MIGRATIONS).sort();
  const history = await engine.diagnoseMigrationHistory({
    migrationsList: {
      baseDir: MIGRATIONS,
      lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"' },
      shadowDbInitScript: '',
      migrationDirectories: folders.map((path) => ({
        path,
        migrationFile: {
          path: 'migration.sql',
          content: { tag: 'ok', value: readFileSync(`${MIGRATIONS}/${path}/migration.sql`, 'utf8') },
        },
      })),
    },
    optInToShadowDatabase: false,
    filters: NO_FILTERS,
  });
  expect(history).toMatchObject({
    hasMigrationsTable: true,
    history: null,
    editedMigrationNames: [],
    failedMigrationNames: [],
  });
  expect((await migrationStates(database.url)).every(({ state }) => state === 'applied')).toBe(true);
});
