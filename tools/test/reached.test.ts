import { expect, test } from 'vitest';
import { aboutOf, broughtBy, laterFilesReachedBy } from './reached.ts';

const sources: Readonly<Record<string, string>> = {
  'services/platform/pool.ts': '',
  'services/api/main.ts': "import { pool } from '#services/platform/pool.ts';",
  'services/api/faults/pooler.all.test.ts':
    "import { startProduct } from '#tools/testing/harness/product.ts';\nimport { startPooler } from '#tools/testing/processes/pooler.ts';",
  'tools/testing/harness/product.ts': "spawn('services/api/main.ts');",
  'tools/testing/processes/pooler.ts': "const CONFIG = 'deploy/pooler.ini';",
  'deploy/pooler.ini': '',
  'services/api/contract.integration.test.ts': "import { startProduct } from '#tools/testing/harness/product.ts';",
  'cli/restore.ts': '',
  'cli/restore-from.all.test.ts': "import { startProduct } from '#tools/testing/harness/product.ts';",
  'services/pages/look.ts': '',
  'services/pages/in-browser.all.test.ts': '// About: services/pages/ console/main.tsx\n',
  'console/main.tsx': '',
  'services/platform/pool-stops.all.test.ts': "import { pool } from './pool.ts';",
  'examples/web.all.test.ts': '',
  'examples/web-next/page.tsx': '',
};
const files = Object.keys(sources);
const read = (path: string): string => sources[path] ?? '';
const reachedBy = (...changed: string[]): string[] => laterFilesReachedBy(changed, files, read);

test('a file of the second tier is reached by itself, its own tools, and what these read', () => {
  const pooler = 'services/api/faults/pooler.all.test.ts';
  for (const changed of [pooler, 'tools/testing/processes/pooler.ts', 'deploy/pooler.ini'])
    expect([changed, reachedBy(changed)]).toEqual([changed, [pooler]]);
});

test('what the first tier loads too, and the rest of the product, reach none of it', () =>
  expect(reachedBy('tools/testing/harness/product.ts', 'services/api/main.ts')).toEqual([]));

test('a source reaches the files that import it, that begin with its name beside it, or that say they are about it', () => {
  expect(reachedBy('services/platform/pool.ts')).toEqual(['services/platform/pool-stops.all.test.ts']);
  expect(reachedBy('cli/restore.ts')).toEqual(['cli/restore-from.all.test.ts']);
  expect(reachedBy('services/pages/look.ts')).toEqual(['services/pages/in-browser.all.test.ts']);
  expect(reachedBy('console/main.tsx')).toEqual(['services/pages/in-browser.all.test.ts']);
});

test('a file says what it is about in a line of its own', () => {
  expect(aboutOf("import 'a';\n// About: a/ b.ts\n")).toEqual(['a/', 'b.ts']);
  expect(aboutOf('const text = "// About: a/";')).toEqual([]);
});

test('brings files and steps with the minutes that they took, half a minute for what is new, and counts what it left out', () => {
  const record = { files: { 'cli/restore-from.all.test.ts': 100 }, steps: { go: 50 } };
  const broughtByChange = (...changed: string[]) => broughtBy(changed, record, files, read);
  expect(broughtByChange('cli/restore.ts', 'sdks/go/verifier.go', 'services/pages/look.ts')).toEqual({
    files: ['cli/restore-from.all.test.ts', 'services/pages/in-browser.all.test.ts'],
    steps: ['go'],
    ...{ minutes: 3, later: [], leftOut: 3 },
  });
  const none = { files: [], steps: [], minutes: 0, later: [], leftOut: 5 };
  expect(broughtByChange('services/api/main.ts')).toEqual(none);
  const slow = { files: { 'cli/restore-from.all.test.ts': 1_190 }, steps: {} };
  const bringOf = (...changed: string[]) => broughtBy(changed, slow, files, read);
  expect(bringOf('cli/restore.ts', 'services/pages/look.ts').later).toEqual(['cli/restore-from.all.test.ts']);
  const own = bringOf('cli/restore-from.all.test.ts', 'services/pages/look.ts');
  expect(own.later).toEqual(['services/pages/in-browser.all.test.ts']);
});

test('the web examples are a step, because they are installed before', () => {
  const brought = broughtBy(['examples/web-next/page.tsx'], { files: {}, steps: {} }, files, read);
  expect([brought.files, brought.steps]).toEqual([[], ['web']]);
});
