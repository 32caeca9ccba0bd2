import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** `a/{b,c}.ts` as two paths. */
const expand = (pattern: string): string[] => {
  const [, before = '', names = '', after = ''] = /^(.*)\{(.*)\}(.*)$/.exec(pattern) ?? [];
  return names === '' ? [pattern] : names.split(',').map((name) => before + name + after);
};
const placed = (path: string): string =>
  path.startsWith('jobs/') ? path : `services/${/^(api|mcp|worker|platform|wings)\//.test(path) ? '' : 'core/'}${path}`;
const filesIn = (text: string): string[] =>
  [...text.matchAll(/`([^`]+\.ts)`/g)].flatMap(([, pattern = '']) => expand(pattern).map(placed));

let database: TestDatabase;
let folder: string;
let run: Record<string, string[]>;
let walks: string;
beforeAll(async () => {
  [database, folder] = await Promise.all([createTestDatabase(), mkdtemp(join(tmpdir(), 'walks-'))]);
  const program = fileURLToPath(new URL('../testing/processes/walks.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, database.url, testRedisUrl()], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: folder },
  });
  run = JSON.parse(stdout);
  walks = await readFile(resolve(ROOT, 'docs/reference/walks.md'), 'utf8');
  // The program starts a product and writes what each request loads: minutes where the machine is busy.
});
afterAll(async () => {
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

const walk = (name: string): string[] =>
  filesIn(walks.split('\n').find((line) => line.includes(`. **${name}**`)) ?? '');
const everyRequest = (): string[] =>
  filesIn(/\*\*Every request\*\*.*?\*\*A request that writes/s.exec(walks)?.[0] ?? '');
const everyWrite = (): string[] => filesIn(/\*\*A request that writes\*\*.*/.exec(walks)?.[0] ?? '');

/** Enqueues the sealing of the audit event, before or after the response. */
const AFTERWARDS = 'services/platform/queue/producer.ts';
/** Runs by a timer that an idle copy may not reach in the time that it is watched. */
const NOW_AND_THEN = 'services/core/api-keys/api-key-uses.ts';

const isIdle = (file: string): boolean => [...(run.idle ?? []), AFTERWARDS, NOW_AND_THEN].includes(file);
/** Of files that timers run too, nothing is known. */
const without = (files: readonly string[], others: readonly string[]): string =>
  files.filter((file) => !others.includes(file) && !isIdle(file)).join(' ');

function expectWalk(name: string, named: readonly string[]): void {
  const ran = run[name] ?? [];
  const [unnamed, notRun] = [without(ran, named), without(named, ran)];
  expect(unnamed, `ran, and are not named: ${unnamed}`).toBe('');
  expect(notRun, `are named, and did not run: ${notRun}`).toBe('');
}

test('the walk of validate names every file that runs', () =>
  expectWalk('Validate', [...everyRequest(), ...walk('Validate')]));

test.each(['Refresh', 'Sign in'])('the walk of %s names every file that runs', (name) =>
  expectWalk(name, [...everyRequest(), ...everyWrite(), ...walk(name)]),
);

test.each(['Key rotation', 'Audit event'])('every file that the walk of %s names runs', (name) => {
  const named = walk(name);
  expect(named.length).toBeGreaterThan(10);
  const notRun = without(named, run[name] ?? []);
  expect(notRun, `did not run: ${notRun}`).toBe('');
});
