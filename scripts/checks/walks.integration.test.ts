import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '#testing/stores.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** `a/{b,c}.ts` as two paths. */
const expand = (pattern: string): string[] => {
  const [, before = '', names = '', after = ''] = /^(.*)\{(.*)\}(.*)$/.exec(pattern) ?? [];
  return names === '' ? [pattern] : names.split(',').map((name) => before + name + after);
};
const placed = (path: string): string =>
  path.startsWith('jobs/') ? path : `services/${/^(api|worker|platform)\//.test(path) ? '' : 'domain/'}${path}`;
const filesIn = (text: string): string[] =>
  [...text.matchAll(/`([^`]+\.ts)`/g)].flatMap(([, pattern = '']) => expand(pattern).map(placed));

/** Runs in the background too, in any round. */
const BACKGROUND = 'services/platform/redis/redis.ts';

let database: TestDatabase;
let folder: string;
let run: Record<string, string[]>;
let walks: string;
beforeAll(async () => {
  [database, folder] = await Promise.all([createTestDatabase(), mkdtemp(join(tmpdir(), 'walks-'))]);
  const program = resolve(ROOT, 'testing/processes/walks.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [program, database.url, testRedisUrl()], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: folder },
  });
  run = JSON.parse(stdout);
  walks = (await readFile(resolve(ROOT, 'README.md'), 'utf8')).split('## Five walks')[1]?.split('\n## ')[0] as string;
});
afterAll(async () => {
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

const walk = (name: string): string[] =>
  filesIn(walks.split('\n').find((line) => line.includes(`. **${name}**`)) ?? '');
const everyRequest = (): string[] => filesIn(/\*\*Every request\*\*.*?\*\*One that writes/s.exec(walks)?.[0] ?? '');
const everyWrite = (): string[] => filesIn(/\*\*One that writes\*\*.*/.exec(walks)?.[0] ?? '');
const sorted = (...lists: (string[] | undefined)[]): string[] =>
  [...new Set(lists.flatMap((list) => list ?? []))].filter((file) => file !== BACKGROUND).sort();

test('the walk of validate names every file that runs', () => {
  expect(sorted(everyRequest(), walk('Validate'))).toEqual(sorted(run.Validate));
});

test.each(['Refresh', 'Sign in'])('the walk of %s names every file that runs', (name) => {
  expect(sorted(everyRequest(), everyWrite(), walk(name))).toEqual(sorted(run[name]));
});

test.each(['Key rotation', 'Audit event'])('every file that the walk of %s names runs', (name) => {
  const named = walk(name);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((file) => !run[name]?.includes(file))).toEqual([]);
});
