import { expect, test } from 'vitest';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { owners, readRelations, readRoutines, tables } from './database.ts';

const ports = opened(openTestPorts);

test('every table of the database has a model and exactly one owner', async () => {
  const rows = await ports.raw<{ name: string }>`
    SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND NOT relispartition AND relname <> '_prisma_migrations'`;
  const names = rows.map(({ name }) => name).sort();
  expect([tables.map(({ name }) => name).sort(), [...owners.keys()].sort()]).toEqual([names, names]);
});

test('the page has the functions of the database, with their current text', async () => {
  const rows = await ports.raw<{ name: string; body: string }>`
    SELECT proname AS name, prosrc AS body FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e') ORDER BY proname`;
  const { functions } = readRoutines();
  expect(functions.map(({ name }) => name).sort()).toEqual(rows.map(({ name }) => name).sort());
  const differs = rows.filter(({ name, body }) => !functions.find((each) => each.name === name)?.sql.includes(body));
  expect(differs.map(({ name }) => name)).toEqual([]);
});

test('the page has the triggers of the database, with the functions that they call', async () => {
  const rows = await ports.raw<{ row: string }>`SELECT concat_ws(' ', tgrelid::regclass, tgname, p.proname) AS row
    FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid
    JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal AND tgparentid = 0
      AND c.relnamespace = current_schema()::regnamespace`;
  const shown = readRoutines().triggers.map(({ name, table, calls }) => `${table} ${name} ${calls}`);
  expect(shown.sort()).toEqual(rows.map(({ row }) => row).sort());
});

test('the conditions of triggers name columns that their tables have', async () => {
  const rows = await ports.raw<{ column: string }>`
    SELECT attrelid::regclass || '.' || attname AS column FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE relnamespace = current_schema()::regnamespace AND attnum > 0 AND NOT attisdropped`;
  const columns = rows.map(({ column }) => column);
  const named = readRoutines().triggers.flatMap(({ table, sql }) =>
    [...sql.matchAll(/\b(?:OLD|NEW)\."?(\w+)/g)].map(([, column]) => `${table}.${column}`),
  );
  expect(named.length).toBeGreaterThan(20);
  expect([...new Set(named)].filter((each) => !columns.includes(each))).toEqual([]);
});

test('the data model has the foreign keys of the database', async () => {
  const rows = await ports.raw<{ row: string }>`
    SELECT concat_ws(' ', conrelid::regclass, confrelid::regclass, (SELECT string_agg(attname, ', ' ORDER BY at)
      FROM unnest(conkey) WITH ORDINALITY k(num, at) JOIN pg_attribute ON attrelid = conrelid AND attnum = num)) AS row
    FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND connamespace = current_schema()::regnamespace`;
  const drawn = readRelations().map(({ from, to, columns }) => `${from} ${to} ${columns}`);
  expect(drawn.length).toBeGreaterThan(20);
  expect(drawn.sort()).toEqual(rows.map(({ row }) => row).sort());
});
