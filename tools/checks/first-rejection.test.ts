import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { openApiOf } from '#services/platform/http/openapi.ts';
import { collectEndpoints } from '../catalog/collect.ts';
import { callerDecisions } from './caller-kinds.ts';
import given from './first-rejection.json' with { type: 'json' };
import { FOREIGN_SQL, foreignUses, tablesIn, tablesOf, wingTablesInUse } from './foreign-sql.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/**
 * What returns while its siblings still run: with `Promise.all` the first rejection ends the run of a job, and what goes on
 * writes without its fence. Parts that write end together: `allEnded` of `services/core/shared`. Each
 * use that may return early has its reason in first-rejection.json, by file.
 */
const RETURNS_EARLY = /\bPromise\s*(?:\??\.\s*(?:all|race|any)\b|\[)|\b(?:all|race|any)\b[^;{}]*}\s*=\s*Promise\b/g;

const usesIn = (source: string): number =>
  [...source.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '').matchAll(RETURNS_EARLY)].length;
const returnsEarly = (source: string): boolean => usesIn(source) > 0;

/** How often each file of the jobs and of what they run returns while parts still go on. */
const usesByFile = (): Readonly<Record<string, number>> =>
  Object.fromEntries(
    globSync('{jobs,services/core,services/wings,services/worker}/**/*.ts', { cwd: ROOT })
      .filter((file) => !/(\.test|-harness)\.ts$/.test(file))
      .map((file) => [file, usesIn(readFileSync(resolve(ROOT, file), 'utf8'))] as const)
      .filter(([, uses]) => uses > 0)
      .sort(),
  );

test('nothing that runs under the fence of a job returns while parts of it still write', () => {
  const listed = Object.entries(given.may_return_early).map(([file, reasons]) => [file, reasons.length]);
  expect(usesByFile()).toEqual(Object.fromEntries(listed));
});

test.each([
  'await Promise.all(rows.map(send))',
  'await Promise\n    .all(rows.map(send))',
  'return Promise.race([work, late])',
  'Promise.any(mirrors)',
  'rows.map(send).then.call(Promise.all)',
  `Promise['all'](rows)`,
  'const { all } = Promise;',
  'const { all: together } = Promise;',
])('is found: %s', (source) => expect(returnsEarly(source)).toBe(true));

test.each([
  'await allEnded(rows.map(send))',
  'await Promise.allSettled(rows.map(send))',
  'Promise.withResolvers<void>()',
  '// Promise.all would end the run',
  ' * `Promise.all` would end the run',
])('is no such use: %s', (source) => expect(returnsEarly(source)).toBe(false));

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

const at = (path: string, text: string) => callerDecisions([{ path, text }], []);

test('only the authority module decides by the kind of a caller', () => {
  const { status, stderr } = spawnSync(process.execPath, [resolve(import.meta.dirname, 'callers.ts')], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test.each([
  [`if (caller.kind === 'user') return;`, 'caller.kind'],
  [`if (person?.kind !== 'agent') throw no();`, 'person?.kind'],
  [`const isClient = 'client' === asking.kind;`, 'asking.kind'],
  [`const { kind } = caller;\nif (kind !== 'system') throw no();`, 'kind'],
  ['const limit = LIMITS[caller.kind];', 'caller.kind'],
  [`switch (who.kind) { case 'anonymous': return 1; }`, `case 'anonymous'`],
  [`if ('permissions' in who) allow();`, `'permissions' in who`],
  [`if (who.by === 'api_key') throw no();`, 'who.by'],
])('a planted decision outside it is found: %s', (text, expression) => {
  expect(at('services/core/x/y.ts', text)).toContain(`services/core/x/y.ts: ${expression}`);
  expect([at('services/core/authority/y.ts', text), at('services/core/x/y.test.ts', text)]).toEqual([[], []]);
});

test('types and new callers are no decisions', () => {
  expect(at('services/core/x/y.ts', `type User = Caller & { readonly kind: 'user' };`)).toEqual([]);
  expect(at('services/core/x/y.ts', `const caller = { kind: 'system', name: 'job', request };`)).toEqual([]);
});

test('an exception is for one expression of one file, and is reported when nothing needs it', () => {
  const allowed = [{ path: 'a.ts', expression: 'owner.kind', reason: 'a row' }];
  const row = { path: 'a.ts', text: `owner.kind === 'user'` };
  expect(callerDecisions([row], allowed)).toEqual([]);
  expect(callerDecisions([{ ...row, text: `${row.text}; caller.kind === 'user'` }], allowed)).toEqual([
    'a.ts: caller.kind',
  ]);
  expect(callerDecisions([], allowed)).toEqual(['unused: a.ts: owner.kind']);
});

const read = (file: string): string => readFileSync(resolve(ROOT, file), 'utf8');

type Operation = { readonly operationId: string; readonly description?: string };

/** What a read replica may answer. Nothing decides by it: neither a process nor a person who needs what is true now. */
const DECLARED = `listAuditEvents listReports listSessions listUsers readAuditEvent readDashboard readReport
  readReportBundle readReportEvidence`.split(/\s+/);

test('these operations and no others may be answered by the read replica, and their descriptions say so', async () => {
  const endpoints = await collectEndpoints();
  const declared = endpoints.filter(({ reads }) => reads === 'replica').map(({ operation }) => operation);
  expect(declared.sort()).toEqual(DECLARED);
  const { paths } = openApiOf(endpoints, '0') as { paths: Record<string, Record<string, Operation>> };
  const described = Object.values(paths)
    .flatMap((path) => Object.values(path))
    .filter(({ description }) => description?.includes('A read replica may answer'));
  expect(described.map(({ operationId }) => operationId).sort()).toEqual(DECLARED);
});

test('the guide names each of them', async () => {
  const guide = read('docs/how-to/run-in-production.md');
  for (const { operation, path } of await collectEndpoints())
    if (DECLARED.includes(operation)) expect(guide).toContain(`\`${path}\``);
});

const opens = (source: string): boolean => /\bopenReplica\b|\bdatabaseReplicaUrl\b|\bisReplica: true\b/.test(source);

test('nothing else opens it: revocations, families and keys are read from the primary alone', () => {
  const files = globSync('{services,cli,jobs}/**/*.ts', { cwd: ROOT })
    .filter((file) => !/(\.test|-harness)\.ts$/.test(file))
    .filter((file) => opens(read(file)));
  expect(files.sort()).toEqual(Object.keys(given.may_open_the_replica));
  expect(opens(`createPool({ url: config.stores.databaseReplicaUrl })`)).toBe(true);
});
