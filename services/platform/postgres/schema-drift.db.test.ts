import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/stores.ts';
import { migrationStates } from './migrate.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const prisma = (...args: string[]) =>
  run('node_modules/.bin/node', ['node_modules/prisma/build/index.js', ...args], {
    cwd: root,
    env: {
      ...process.env,
      DATABASE_URL: database.url,
      PRISMA_SCHEMA_ENGINE_BINARY: `${root}scripts/schema-engine.mjs`,
      CHECKPOINT_DISABLE: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      NO_COLOR: '1',
    },
  });

// Prisma compares tables, columns, keys, references and indexes (partial ones included). It does not know, and so
// does not compare: triggers and functions, CHECK and EXCLUDE constraints, fillfactor. `jwks.signs` is Unsupported.
test('a database built from the migrations equals the Prisma schema', async () => {
  const { stdout } = await prisma(
    'migrate',
    'diff',
    '--from-config-datasource',
    '--to-schema',
    'prisma/schema',
    '--script',
  );
  expect(stdout.trim()).toBe('-- This is an empty migration.');
});

test('Prisma and our runner agree on what is applied', async () => {
  const { stdout } = await prisma('migrate', 'status');
  expect(stdout).toContain('Database schema is up to date!');
  expect((await migrationStates(database.url)).every(({ state }) => state === 'applied')).toBe(true);
});

test('a difference is found: a column that only the database has', async () => {
  const { Client } = await import('pg').then((module) => module.default);
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query('ALTER TABLE users ADD COLUMN nickname text');
  const { stdout } = await prisma(
    'migrate',
    'diff',
    '--from-config-datasource',
    '--to-schema',
    'prisma/schema',
    '--script',
  );
  await client.query('ALTER TABLE users DROP COLUMN nickname');
  await client.end();
  expect(stdout).toContain('DROP COLUMN "nickname"');
});
