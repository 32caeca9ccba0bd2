import { afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { connectedClient, createEmptyDatabase, rowsOf } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { prepareHistory } from './migrate.ts';
import type { Migration } from './migration-files.ts';
import { observeMigration } from './rehearse-migrations.ts';
import { type RuleName, ruleNames } from './schema-changes.ts';

const database = opened(() => createEmptyDatabase(inject('templateUrl')));
const db = opened(() => connectedClient(database.url));
beforeAll(() => prepareHistory(db));
beforeEach(() =>
  db.query(`CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL, age int, at timestamptz NOT NULL DEFAULT now(),
      mail text, note text, code text, CONSTRAINT coded CHECK (code IS NOT NULL));
    ALTER TABLE people ADD CONSTRAINT people_mail_check CHECK (mail IS NOT NULL) NOT VALID;
    CREATE INDEX people_name ON people (name);
    CREATE TABLE roles (id bigint PRIMARY KEY, name text);
    CREATE FUNCTION greet() RETURNS text LANGUAGE sql AS $$ SELECT 'hello' $$`),
);
afterEach(() => db.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public').then(() => prepareHistory(db)));

async function refused(sql: string, given: Partial<Migration> = {}): Promise<RuleName[]> {
  const migration: Migration = {
    name: '20990101000000_tried',
    sql,
    checksum: '',
    phase: 'expand',
    down: { because: 'it is a trial' },
    holds: [],
    isTransactional: true,
    ...given,
  };
  const { refusals } = await observeMigration(db, migration, 'up');
  return [...new Set(refusals.map(({ rule }) => rule))].sort();
}

const FIXTURES = {
  'adding-required-field': 'ALTER TABLE people ADD nick text NOT NULL',
  'adding-not-null': 'ALTER TABLE people ALTER code SET NOT NULL',
  'dropping-not-null': 'ALTER TABLE people ALTER name DROP NOT NULL',
  'dropping-default': 'ALTER TABLE people ALTER at DROP DEFAULT',
  'changing-column-type': 'ALTER TABLE people ALTER note TYPE varchar',
  'renaming-column': 'ALTER TABLE people RENAME age TO years',
  'renaming-table': 'ALTER TABLE people RENAME TO persons',
  'dropping-column': 'ALTER TABLE people DROP age',
  'dropping-table': 'DROP TABLE roles',
  'dropping-function': 'DROP FUNCTION greet()',
  'index-not-concurrent': 'CREATE INDEX people_age ON people (age)',
  'index-drop-not-concurrent': 'DROP INDEX people_name',
  'constraint-not-not-valid': 'ALTER TABLE people ADD CHECK (age > 0)',
  'unique-constraint': 'ALTER TABLE people ADD UNIQUE (age)',
  'char-field': 'CREATE TABLE pets (id bigint, code char(3))',
  'varchar-field': 'ALTER TABLE people ADD nick varchar(20)',
  'timestamp-without-zone': 'ALTER TABLE people ADD seen timestamp',
  'small-counter': 'CREATE TABLE pets (id int GENERATED ALWAYS AS IDENTITY)',
  'domain-with-constraint': `CREATE DOMAIN word AS text CHECK (VALUE <> '')`,
  'ending-transaction': 'CREATE TABLE pets (id bigint); COMMIT',
  'rewriting-table': 'ALTER TABLE people ADD dice float DEFAULT random()',
} as const satisfies Partial<Record<RuleName, string>>;

test.each(Object.entries(FIXTURES))('refuses %s', async (rule, sql) => expect(await refused(sql)).toEqual([rule]));

test('refuses to require a column that no validated constraint checks', async () =>
  expect(await refused('ALTER TABLE people ALTER mail SET NOT NULL')).toEqual([
    'adding-not-null',
    'adding-not-null-unchecked',
  ]));

test('has a fixture for every rule', () =>
  expect([...Object.keys(FIXTURES), 'adding-not-null-unchecked'].sort()).toEqual([...ruleNames].sort()));

test.each([
  ['a column that may be null', 'ALTER TABLE people ADD nick text'],
  ['a required column with a constant default', `ALTER TABLE people ADD nick text NOT NULL DEFAULT ''`],
  [
    'a table of its own with its indexes',
    'CREATE TABLE pets (id bigint PRIMARY KEY, name text UNIQUE NOT NULL); CREATE INDEX ON pets (id)',
  ],
  [
    'a constraint for new rows, and one validated later',
    'ALTER TABLE people ADD CHECK (age > 0) NOT VALID; ALTER TABLE people VALIDATE CONSTRAINT people_mail_check',
  ],
  ['an index of a table that stays small', 'CREATE INDEX roles_name ON roles (name)'],
  ['another body of a function', `CREATE OR REPLACE FUNCTION greet() RETURNS text LANGUAGE sql AS $$ SELECT 'bye' $$`],
])('accepts %s', async (_what, sql) => expect(await refused(sql)).toEqual([]));

test.each(['dropping-column', 'dropping-table', 'renaming-column', 'adding-not-null'] as const)(
  'accepts %s in the phase contract',
  async (rule) => expect(await refused(FIXTURES[rule], { phase: 'contract' })).toEqual([]),
);

test('builds an index concurrently outside a transaction, also after a process ended while it built it', async () => {
  await db.query(`CREATE INDEX people_age ON people (age);
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'people_age'::regclass`);
  const sql = `-- A comment; it is no statement.
CREATE INDEX CONCURRENTLY IF NOT EXISTS people_age ON people (age);
DROP INDEX CONCURRENTLY IF EXISTS people_name;
`;
  expect(await refused(sql, { isTransactional: false })).toEqual([]);
  const rows = await rowsOf(db)`SELECT indexrelid::regclass::text AS name, indisvalid FROM pg_index
    WHERE indrelid = 'people'::regclass ORDER BY 1`;
  expect(rows).toEqual([
    { name: 'people_age', indisvalid: true },
    { name: 'people_pkey', indisvalid: true },
  ]);
});
