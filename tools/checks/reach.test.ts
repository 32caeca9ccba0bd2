import { expect, test } from 'vitest';
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
