import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

/**
 * SQL that leaves something in a session. A pooler in transaction mode gives the session to others afterwards, so such SQL
 * needs a connection that leads to PostgreSQL itself.
 */
const LEAVES = [
  /(?:^|[`'";])\s*SET\s+(?!(?:LOCAL|CONSTRAINTS)\b)\w/m,
  /(?:^|[`'";])\s*(?:RESET|LISTEN|DISCARD|PREPARE|LOAD)\s+\w/m,
  /\bset_config\([^)]*,\s*false\)/,
  /\bpg_(?:try_)?advisory_(?:lock|unlock)/,
  /\bCREATE TEMP(?:ORARY)?\b(?!.*ON COMMIT DROP)/,
  /\bWITH HOLD\b/,
] as const;

/** Files whose connections always lead to PostgreSQL itself. */
const DIRECT: Readonly<Record<string, string>> = {
  'services/platform/postgres/migrate.ts': 'migrations: the lock of the session, by DATABASE_DIRECT_URL',
  'services/platform/postgres/table-copies.ts': 'backup and restore: formats and the lock of the session',
  'services/supervisor/tasks-database.ts': 'the example service has another database',
};

const leavesState = (source: string): boolean => {
  const text = source.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '');
  return LEAVES.some((pattern) => pattern.test(text));
};

/** Product files with SQL that leaves something in a session. */
const filesLeavingState = (): string[] =>
  globSync('{services,cli,jobs,observability}/**/*.ts', { cwd: ROOT })
    .filter((file) => !/(\.test|-harness)\.ts$|\/generated\//.test(file))
    .filter((file) => leavesState(readFileSync(resolve(ROOT, file), 'utf8')))
    .sort();

test('SQL that leaves something in a session is only where connections lead to PostgreSQL itself', () =>
  expect(filesLeavingState()).toEqual(Object.keys(DIRECT).sort()));

test.each([
  'sql.query(`SET lock_timeout = 100`)',
  `'SET ROLE sallyport_app'`,
  `"BEGIN; SET search_path TO x"`,
  `'SET CONSTRAINTS ALL IMMEDIATE; SET lock_timeout = 1'`,
  `defineStatement('x', 'RESET ROLE')`,
  'await client.query(`LISTEN revocations`)',
  `SELECT set_config('role', $1, false)`,
  'SELECT pg_advisory_lock(1)',
  'SELECT pg_try_advisory_lock(1)',
  'CREATE TEMP TABLE kept (n int)',
  'DECLARE c CURSOR WITH HOLD FOR SELECT 1',
])('is found: %s', (source) => expect(leavesState(source)).toBe(true));

test.each([
  'UPDATE users SET name = $1',
  `'SET LOCAL ROLE NONE'`,
  `'SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED'`,
  `SELECT set_config('lock_timeout', '100ms', true)`,
  'SELECT pg_advisory_xact_lock(1)',
  'SELECT pg_try_advisory_xact_lock(1)',
  'CREATE TEMP TABLE room ON COMMIT DROP AS SELECT 1',
  '// SET lock_timeout = 1 would stay',
])('ends with the transaction: %s', (source) => expect(leavesState(source)).toBe(false));
