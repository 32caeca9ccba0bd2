import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript without types
import boundaries, { core, rooms } from '../../.dependency-cruiser.mjs';
import violations from './boundaries.planted.json' with { type: 'json' };

const ROOT = resolve(import.meta.dirname, '../..');
const rules = (boundaries as { forbidden: { name: string }[] }).forbidden.map((rule) => rule.name);

const target = 'export const value = 1;\n';
const from = (specifier: string): string => `import { value } from '${specifier}';\nexport const use = value;\n`;
const typeFrom = (specifier: string): string =>
  `import type { value } from '${specifier}';\nexport type Use = typeof value;\n`;

/** One planted violation per rule: files of a small tree that breaks each rule once, with what each imports. */
const planted: Record<string, string> = Object.fromEntries(
  Object.entries<{ readonly from?: string; readonly typeFrom?: string }>(violations).map(([path, imported]) => [
    path,
    imported.from ? from(imported.from) : imported.typeFrom ? typeFrom(imported.typeFrom) : target,
  ]),
);
for (const [index, module] of (core as string[]).slice(0, -1).entries()) {
  const right = core[index + 1];
  planted[`services/core/${module}/looks-right.ts`] = typeFrom(`../${right}/target.ts`);
  planted[`services/core/${right}/target.ts`] = target;
}
for (const [index, room] of (rooms as string[]).slice(0, -1).entries()) {
  const right = rooms[index + 1];
  planted[`services/core/identity/${room}/looks-right.ts`] = typeFrom(`../${right}/target.ts`);
  planted[`services/core/identity/${right}/target.ts`] = target;
}

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sallyport-boundaries-'));
  for (const [path, text] of Object.entries(planted)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  for (const name of ['node_modules', 'tsconfig.json', '.dependency-cruiser.mjs', 'package.json'])
    await symlink(join(ROOT, name), join(root, name));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const cruise = (cwd: string, ...folders: string[]) => {
  const run = spawnSync(
    process.execPath,
    [
      join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'),
      '--config',
      '.dependency-cruiser.mjs',
      '--output-type',
      'json',
      ...folders,
    ],
    { cwd, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  return JSON.parse(run.stdout) as {
    summary: { violations: { rule: { name: string }; from: string }[]; totalCruised: number };
  };
};

test('identity has no folder without a place in the order', async () => {
  const folders = (await readdir(join(ROOT, 'services/core/identity'), { withFileTypes: true })).filter((entry) =>
    entry.isDirectory(),
  );
  expect(folders.map(({ name }) => name).sort()).toEqual([...rooms].sort());
});

test('every boundary rule reports the violation planted for it', () => {
  const { summary } = cruise(root, 'services', 'observability', 'jobs', 'tools', 'load-tests', 'sdks', 'examples');
  const broken = new Set(summary.violations.map((violation) => violation.rule.name));
  expect(rules.filter((name) => !broken.has(name))).toEqual([]);
  // A store in a subfolder is as private as one beside the contract; stores outside a module are for modules only.
  const breakersOf = (name: string): string[] =>
    summary.violations.flatMap(({ rule, from: file }) => (rule.name === name ? [file] : [])).sort();
  expect(breakersOf('stores and caches are private to their module')).toEqual([
    'services/core/oauth/uses-nested-store.ts',
    'services/core/tokens/uses-foreign-store.ts',
  ]);
  expect(breakersOf('only their module opens stores and caches')).toEqual([
    'services/api/uses-nested-store.ts',
    'services/api/uses-store.ts',
    'services/worker/uses-shared-store.ts',
  ]);
  // Each arrow that once pointed from the general to the particular.
  for (const [name, file] of [
    ['adapters know the domain only by its ports', 'services/platform/redis/redis.ts'],
    ['adapters name no job, command or seed', 'services/platform/queue/uses-jobs.ts'],
    ['definitions take no names from telemetry', 'services/platform/define/uses-telemetry.ts'],
    ['jobs import no process', 'jobs/uses-worker.ts'],
    ['faces see wings only through modules.ts', 'services/migrate/uses-wing.ts'],
  ] as const)
    expect(breakersOf(name)).toEqual([file]);
  // A harness beside its tests is not shipped either.
  expect(breakersOf('nothing shipped imports a test or its helpers')).toEqual([
    'services/api/uses-shared-test.ts',
    'services/platform/http/uses-test.ts',
  ]);
});
