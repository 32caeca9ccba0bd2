import { expect, test } from 'vitest';
import { FOREIGN_SQL, foreignUses, tablesIn, tablesOf, wingTablesInUse } from './foreign-sql.ts';

const listed = Object.keys(FOREIGN_SQL).flatMap((of) => tablesOf(of).map((table) => `${of} ${table}`));

test('SQL on tables of another module has its reason, and no reason is left over', () => {
  const found = foreignUses().map(({ of, table }) => `${of} ${table}`);
  expect(found.length).toBeGreaterThan(50);
  expect(found.filter((use) => !listed.includes(use))).toEqual([]);
  expect(listed.filter((use) => !found.includes(use))).toEqual([]);
});

test('a table is listed once for each place, with a sentence', () => {
  expect(listed.filter((use, index) => listed.indexOf(use) !== index)).toEqual([]);
  for (const reason of Object.values(FOREIGN_SQL).flatMap((uses) => Object.values(uses)))
    expect(reason).toMatch(/^[a-z`].{15,}[^.]$/);
});

test('without the wings, these of their tables are read and no other: the lists only shrink', () => {
  expect(`${wingTablesInUse().bySql}`).toBe(
    'agents,alert_targets,handoff_deliveries,import_chunks,legacy_sessions,phi_keys,signal_streams,signoff_policies',
  );
  expect(`${wingTablesInUse().byTriggers}`).toBe('agents,imports,legacy_sessions,legacy_user_ends,legacy_users');
});

test.each([
  ['SELECT 1 FROM users WHERE id = $1', ['users']],
  ['SELECT 1 FROM audit_events e, detection_progress p WHERE e.seq = p.seq', ['audit_events', 'detection_progress']],
  ['SELECT 1 FROM roles JOIN user_roles ON role = name', ['roles', 'user_roles']],
  ['INSERT INTO roles (name) VALUES ($1)', ['roles']],
  ['UPDATE sessions SET x = 1', ['sessions']],
  ['DELETE FROM agents', ['agents']],
  ["definePurge({ table: 'signoffs' })", ['signoffs']],
  ['WHERE old.x IS DISTINCT FROM roles', []],
  ['// FROM users', []],
  [' * reads FROM users', []],
  ['the users and roles of an installation', []],
  ['SELECT 1 FROM unknown_table', []],
] as const)('%s names %j', (source, tables) => expect(tablesIn(source)).toEqual(tables));
