import { expect, test } from 'vitest';
import { DIRECT, filesLeavingState, leavesState } from './session-state.ts';

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
