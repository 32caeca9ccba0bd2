import { expect, test } from 'vitest';
import { FOREIGN_SQL, foreignUses, tablesIn } from './foreign-sql.ts';

const listed = FOREIGN_SQL.flatMap(({ of, tables }) => tables.map((table) => `${of} ${table}`));

test('SQL on tables of another module has its reason, and no reason is left over', () => {
  const found = foreignUses().map(({ of, table }) => `${of} ${table}`);
  expect(found.length).toBeGreaterThan(50);
  expect(found.filter((use) => !listed.includes(use))).toEqual([]);
  expect(listed.filter((use) => !found.includes(use))).toEqual([]);
});

test('a table is listed once for each place, with a sentence', () => {
  expect(listed.filter((use, index) => listed.indexOf(use) !== index)).toEqual([]);
  for (const { reason } of FOREIGN_SQL) expect(reason).toMatch(/^[a-z`].{15,}[^.]$/);
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
] as const)('%s names %j', (source, tables) => {
  expect(tablesIn(source)).toEqual(tables);
});
