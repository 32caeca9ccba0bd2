import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FLOW_PATHS, flows, KINDS, NO_FLOW } from '#tools/testing/flow-matrix.ts';
import { collectEndpoints } from '../catalog/collect.ts';
import { testsReachedBy } from './reach.ts';

const sources: Readonly<Record<string, string>> = {
  'services/core/rule.ts': '',
  'services/core/rule.test.ts': "import { rule } from './rule.ts';",
  'services/api/route.ts': "import { rule } from '#services/core/rule.ts';",
  'services/api/main.ts': "const { route } = await import('./route.ts');",
  'tools/testing/harness/product.ts': "spawn(node, ['services/api/main.ts']);",
  'cli/start.integration.test.ts': "import { startProduct } from '#tools/testing/harness/product.ts';",
  'prisma/migrations/1/migration.sql': '',
  'prisma/migrate.ts': "const MIGRATIONS = new URL('./migrations/', import.meta.url);",
  'prisma/migrate.db.test.ts': "import { migrate } from './migrate.ts';",
  'docs/page.md': '',
  'docs/page.test.ts': "readFileSync(join(root, 'docs/page.md'));",
  'docs/other.test.ts': "const text = 'no file';",
};
const reachedBy = (...changed: string[]) =>
  testsReachedBy(changed, Object.keys(sources), (path) => sources[path] ?? '');

test('a change reaches the tests that import the file, and tests of processes that import it', () =>
  expect(reachedBy('services/core/rule.ts')).toEqual(['cli/start.integration.test.ts', 'services/core/rule.test.ts']));

test('a change of a document reaches the tests that read it, and a change in a folder the tests that name the folder', () => {
  expect(reachedBy('docs/page.md')).toEqual(['docs/page.test.ts']);
  expect(reachedBy('prisma/migrations/1/migration.sql')).toEqual(['prisma/migrate.db.test.ts']);
});

test('a changed test reaches itself, and a removed file the tests that still name it', () => {
  expect(reachedBy('docs/other.test.ts')).toEqual(['docs/other.test.ts']);
  const left = Object.keys(sources).filter((path) => path !== 'services/core/rule.ts');
  const reached = testsReachedBy(['services/core/rule.ts'], left, (path) => sources[path] ?? '');
  expect(reached).toContain('services/core/rule.test.ts');
});

test('types, comments and words that equal a source folder reach no test', () => {
  const kinds = { 'a/b.ts': '', 'a/c.test.ts': "import type { B } from './b.ts';\n// `a/b.ts`\nconst name = 'a';" };
  expect(testsReachedBy(['a/b.ts'], Object.keys(kinds), (path) => kinds[path as keyof typeof kinds])).toEqual([]);
});

test('tests that read the whole repository are always reached', () =>
  expect(testsReachedBy(['a/b.ts'], ['tools/checks/queries.test.ts'], () => '')).toHaveLength(1));

test('a change of the shared test setup reaches every test', () =>
  expect(reachedBy('package-lock.json')).toHaveLength(5));

const ROOT = resolve(import.meta.dirname, '../..');
const endings: Readonly<Record<(typeof KINDS)[number], RegExp>> = {
  // A rule by itself, or on its store, without an API.
  unit: /^(?!.*\.(integration|all)\.).*\.test\.ts$/,
  integration: /\.(integration|all)\.test\.ts$/,
  fault: /\.test\.ts$/,
  load: /^load-tests\/scenarios\/[\w-]+\.js$/,
};

describe('the matrix of flows', () => {
  test('has no blank cell: every flow has tests of every kind, or a reason why not', () => {
    for (const flow of flows)
      for (const kind of KINDS) {
        const cell = flow[kind];
        const filled = 'none' in cell ? cell.none.length > 20 : cell.length > 0;
        expect([flow.name, kind, filled]).toEqual([flow.name, kind, true]);
      }
  });

  test('leaves no flow without unit and integration tests', () => {
    for (const { name, unit, integration } of flows)
      expect([name, 'none' in unit, 'none' in integration]).toEqual([name, false, false]);
  });

  test('names only files that are there, each of its kind', () => {
    for (const flow of flows)
      for (const kind of KINDS) {
        const cell = flow[kind];
        for (const file of 'none' in cell ? [] : cell) {
          expect([file, existsSync(resolve(ROOT, file))]).toEqual([file, true]);
          expect(file).toMatch(endings[kind]);
        }
      }
  });

  test('has every path that belongs to a flow once', async () => {
    const paths = new Set((await collectEndpoints()).map(({ path }) => path));
    const wanted = [...paths].filter((path) => FLOW_PATHS.test(path) && !NO_FLOW.includes(path));
    expect(flows.flatMap((flow) => flow.paths).sort()).toEqual(wanted.sort());
  });
});
