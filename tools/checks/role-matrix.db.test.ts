// Each role of PostgreSQL tries each verb on each table that a module owns: what it may not do is refused with 42501.
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { connectedClient, rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { owners, readRights } from '../catalog/database.ts';
import { callsOf, declaredRights, leastRights, type Rights } from '../process-rights/rights.ts';
import type { Process } from '../process-rights/statements.ts';
import given from './role-matrix.json' with { type: 'json' };

const ROOT = resolve(import.meta.dirname, '../..');

/** Verbs that a role may use on a table, of those that the matrix tries. */
const tried = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'] as const;
type Verb = (typeof tried)[number];
const everyRow: readonly Verb[] = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
const sealed = new Set(['audit_events', 'audit_log', 'audit_tiles', 'audit_checkpoints']);
const sealerMay = given.sealer_may as Readonly<Record<string, readonly Verb[]>>;
/** What each role may do, by the module that owns the table. */
const rights: Readonly<Record<string, (table: string, owner: string) => readonly Verb[]>> = {
  sallyport_app: (table, owner) =>
    owner !== 'audit' ? everyRow : table === 'audit_outbox' ? ['SELECT', 'INSERT'] : ['SELECT'],
  sallyport_sealer: (table, owner) => (owner !== 'audit' ? everyRow : (sealerMay[table] ?? [])),
  sallyport_report: (table, owner) => (sealed.has(table) || owner === 'compliance' ? ['SELECT'] : []),
  sallyport_api: (table) => leastOf('api', table),
  sallyport_mcp: (table) => leastOf('mcp', table),
  sallyport_worker: (table) => leastOf('worker', table),
  sallyport_log_sealer: (table) => leastOf('log_sealer', table),
};

const needsOf = (process: Process, table: string): readonly Verb[] =>
  tried.filter((verb) => verb !== 'TRUNCATE' && least[process].get(table)?.has(verb));

/** What the statements of a process need; on a table that no migration declares, everything. */
const leastOf = (process: Process, table: string): readonly Verb[] =>
  declaredTables.has(table) ? needsOf(process, table) : process === 'log_sealer' ? [] : everyRow;

/** The line of a migration that declares what each process needs on a table. */
const declared = (table: string): string => {
  const parts = (Object.keys(least) as Process[]).flatMap((process) => {
    const may = declaredRights(least[process].get(table));
    return may === '' ? [] : [`${process}: ${may}`];
  });
  return `COMMENT ON TABLE ${table} IS '${parts.join('; ')}';`;
};

/** A column that the sealer may update, where it may not update every one. */
const updated: Readonly<Record<string, string>> = given.updated;

const database = opened(createTestDatabase);
const client = opened(() => connectedClient(database.url));
const declaredTables = readRights();
let least: Readonly<Record<Process, Rights>>;
const columns = new Map<string, string>();
beforeAll(async () => {
  const rows = await rowsOf(client)<{ table: string; column: string }>`
    SELECT table_name AS table, column_name AS column FROM information_schema.columns
    WHERE table_schema = current_schema() AND ordinal_position = 1`;
  for (const { table, column } of rows) columns.set(table, column);
  least = await leastRights(client);
});

const statementOf = (verb: Verb, table: string, role: string): string => {
  const [named] = least[role.replace('sallyport_', '') as Process]?.get(table)?.get('UPDATE') ?? [];
  const column = `"${updated[table] ?? (named === undefined || named === '*' ? columns.get(table) : named)}"`;
  const statements: Readonly<Record<Verb, string>> = {
    SELECT: `SELECT FROM ${table} LIMIT 0`,
    INSERT: `INSERT INTO ${table} DEFAULT VALUES`,
    UPDATE: `UPDATE ${table} SET ${column} = DEFAULT WHERE false`,
    DELETE: `DELETE FROM ${table} WHERE false`,
    TRUNCATE: `TRUNCATE ${table}`,
  };
  return statements[verb];
};

/** Whether PostgreSQL lets the role run the statement; one that fails later, as on a constraint, it did let run. */
async function isAllowed(role: string, statement: string): Promise<boolean> {
  await client.query('BEGIN');
  await client.query(`SET LOCAL ROLE ${role}`);
  const refusal = await client.query(statement).then(
    () => undefined,
    (err: Error & { code?: string }) => err,
  );
  await client.query('ROLLBACK');
  // A trigger of sign-offs refuses with this code too.
  return refusal?.code !== '42501' || !refusal.message.startsWith('permission denied');
}

test.each(Object.keys(rights))('%s may do on each table what its row says, and nothing else', async (role) => {
  const expected: Record<string, readonly Verb[]> = {};
  const seen: Record<string, readonly Verb[]> = {};
  for (const [table, owner] of owners) {
    expected[table] = rights[role]?.(table, owner) ?? [];
    const allowed: Verb[] = [];
    for (const verb of tried) if (await isAllowed(role, statementOf(verb, table, role))) allowed.push(verb);
    seen[table] = allowed;
  }
  expect(Object.keys(seen).length).toBeGreaterThan(70);
  const different = [...owners.keys()].filter((table) => `${seen[table]}` !== `${expected[table]}`);
  const fix = `where a process needs other rights, a migration says so, and ends with SELECT grant_roles(): ${different.map(declared).join(' ')}`;
  expect(seen, fix).toEqual(expected);
});

const processes = ['api', 'mcp', 'worker', 'log_sealer'] as const;

test('a process updates the columns that its statements name, and no others', async () => {
  const rows = await rowsOf(client)<{ role: string; table: string; columns: string[] }>`
    SELECT r.rolname AS role, c.relname AS table, array_agg(a.attname::text ORDER BY attnum) AS columns
    FROM pg_roles r, pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    WHERE rolname = ANY(${processes.map((process) => `sallyport_${process}`)}) AND relkind IN ('r', 'p')
      AND relnamespace = current_schema()::regnamespace
      AND has_column_privilege(r.oid, c.oid, attname, 'UPDATE') AND NOT has_table_privilege(r.oid, c.oid, 'UPDATE')
    GROUP BY 1, 2`;
  const seen = Object.fromEntries(rows.map(({ role, table, columns: named }) => [`${role} ${table}`, named.sort()]));
  const expected = Object.fromEntries(
    processes.flatMap((process) =>
      [...least[process]].flatMap(([table, verbs]) => {
        const named = [...(verbs.get('UPDATE') ?? ['*'])];
        return named.includes('*') || !owners.has(table) ? [] : [[`sallyport_${process} ${table}`, named.sort()]];
      }),
    ),
  );
  const different = new Set(
    [...Object.keys(seen), ...Object.keys(expected)]
      .filter((key) => `${seen[key]}` !== `${expected[key]}`)
      .map((key) => key.split(' ')[1] ?? ''),
  );
  expect(seen, [...different].map(declared).join('\n')).toEqual(expected);
});

test('a function that runs with the rights of the owner may be called by the processes whose statements call it', async () => {
  const rows = await rowsOf(client)<{ name: string; roles: string[] }>`
    SELECT proname::text AS name, ARRAY(SELECT rolname::text FROM pg_roles r
      WHERE rolname = ANY(${processes.map((process) => `sallyport_${process}`)})
        AND has_function_privilege(r.oid, p.oid, 'EXECUTE') ORDER BY 1) AS roles
    FROM pg_proc p
      WHERE prosecdef AND pronamespace = current_schema()::regnamespace AND prorettype <> 'trigger'::regtype`;
  expect(rows.length).toBeGreaterThan(4);
  for (const { name, roles } of rows) expect({ name, roles }).toEqual({ name, roles: callsOf(name) });
});

test('no role but one deletes revocations, second factors, passkeys or data keys of health data', async () => {
  const rows = await rowsOf(client)<{ table: string; roles: string[] }>`
    SELECT c AS table, ARRAY(SELECT rolname::text FROM pg_roles r
      WHERE rolname = ANY(${processes.map((process) => `sallyport_${process}`)})
        AND has_table_privilege(r.oid, c, 'DELETE') ORDER BY 1) AS roles
    FROM unnest(ARRAY['passkeys', 'phi_data_keys', 'revocations', 'two_factors']) c`;
  expect(Object.fromEntries(rows.map(({ table, roles }) => [table, roles]))).toEqual({
    passkeys: ['sallyport_api'],
    phi_data_keys: ['sallyport_worker'],
    revocations: ['sallyport_worker'],
    two_factors: ['sallyport_api'],
  });
});

test('every table of a migration declares what each process may do on it', () => {
  const files = globSync('prisma/migrations/*/migration.sql', { cwd: ROOT });
  const made = files.flatMap((file) =>
    [...readFileSync(join(ROOT, file), 'utf8').matchAll(/^CREATE TABLE (?:IF NOT EXISTS )?"?(\w+)/gm)].map(
      ([, name = '']) => name,
    ),
  );
  expect(made.length).toBeGreaterThan(70);
  const undeclared = made.filter((table) => owners.has(table) && !declaredTables.has(table));
  expect(undeclared, undeclared.map(declared).join('\n')).toEqual([]);
});
