import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const isForeign = (path: string): boolean => /(^|\/)(node_modules|coverage)(\/|$)|^\.(git|sallyport)(\/|$)/.test(path);
const files = globSync(['**/*', '.*', '.{ci,github}/**/*'], { cwd: root, exclude: isForeign });
/** The name of each folder, as `core/`. */
const folders = new Set(
  files.flatMap((file) =>
    file
      .split('/')
      .slice(0, -1)
      .map((name) => `${name}/`),
  ),
);
/** Excludes generated pages and pages that only record results. */
const pages = files.filter((file) => file.endsWith('.md') && !/(^|\/)(results|reference)\//.test(file)).sort();

/** Files outside the repository: in the data directory or a bucket, or in the reader's own project. */
const ELSEWHERE = new Set([
  'marks.json',
  'audit-mark.json',
  'dev-credentials.json',
  'clinic.json',
  'verifier.mjs',
  'key.json',
  'jwks.json',
  'logout.mjs',
  'permissions.yaml',
  'sallyport-compose-VERSION.yaml',
  'verify-release.mjs',
  'run/',
  // Methods of MCP.
  'tools/list',
  'tools/call',
]);
/** Folders in which a path of a page may begin, besides the root and the folder of the page. */
const SHORTENED = [
  ...['services', 'services/core', 'services/wings', 'services/wings/outbound', 'services/platform', 'services/api'],
  'load-tests',
];

const looksLikePath = (word: string): boolean =>
  !/^\.\w+$/.test(word) &&
  /^[\w.@{}*,…<>-]+(\/[\w.@{}*,…<>-]+)*\/?$/.test(word) &&
  (/\.(ts|mjs|md|sql|ya?ml|json|conf|prisma|go|service)$/.test(word) ||
    /^(services|observability|jobs|load-tests|cli|tools|deploy|prisma|docs|api|worker|core|wings|platform|supervisor)\//.test(
      word,
    ) ||
    /^[a-z][\w-]*\/$/.test(word));

/** Every path in backticks, commands included, without those of a data directory. */
const pathsIn = (text: string): string[] =>
  [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)]
    .filter(([, code]) => !code?.startsWith('<data dir>'))
    .flatMap(([, code]) => (code as string).split(/\s+/))
    .flatMap((word) => eachOf(word.replace(/[:,;]$/, '').replace(/:\d+$/, '')))
    .filter(looksLikePath);

/** The paths that one with lists, as `routes/{keys,audit}.ts`, stands for. */
function eachOf(path: string): string[] {
  const [, before = '', list, after = ''] = /^(.*?)\{([^}]*)\}(.*)$/.exec(path) ?? [];
  return list === undefined ? [path] : list.split(',').flatMap((one) => eachOf(before + one + after));
}

function patternOf(path: string): RegExp {
  const plain = path.replaceAll(/<[^>]*>|…/g, '*');
  const source = plain.replaceAll(/\*|[.+^$()|[\]\\]/g, (part) => (part === '*' ? '[^/]*' : `\\${part}`));
  return new RegExp(`^${source}$`);
}

/** Matches a path as written, below a folder that pages omit, or by its name alone; `<name>`, `…` and `*` are wildcards. */
function isThere(path: string, page: string): boolean {
  if (ELSEWHERE.has(path) || folders.has(path)) return true;
  // A suffix, as `.db.test.ts`.
  const given = /^[.-][\w.-]+\.ts$/.test(path) ? `*${path}` : path;
  const places = ['', dirname(page), ...SHORTENED].map((folder) => join(folder, given));
  if (places.some((place) => existsSync(join(root, place)))) return true;
  const patterns = places.map(patternOf);
  const byName = given.includes('/') ? undefined : patternOf(given);
  return files.some(
    (file) =>
      patterns.some((pattern) => pattern.test(file)) || byName?.test(file.slice(file.lastIndexOf('/') + 1)) === true,
  );
}

test.each(pages)('every file and folder that %s names exists', (page) => {
  const missing = pathsIn(readFileSync(join(root, page), 'utf8')).filter((path) => !isThere(path, page));
  expect(missing).toEqual([]);
});

test('the check finds paths, and reports one that does not exist', () => {
  expect(pages).toContain('docs/how-to/operate.md');
  expect(pages.flatMap((page) => pathsIn(readFileSync(join(root, page), 'utf8'))).length).toBeGreaterThan(300);
  const text =
    'See `services/api/main.ts`, `core/<m>/contract.ts`, `.db.test.ts` and `npm run x -- a/gone.ts`, `/v1/keys`.';
  expect(pathsIn(text)).toEqual(['services/api/main.ts', 'core/<m>/contract.ts', '.db.test.ts', 'a/gone.ts']);
  expect(pathsIn(text).filter((path) => !isThere(path, 'README.md'))).toEqual(['a/gone.ts']);
});

test('drawings show the system, how its components talk, and the data model', () => {
  const [design = '', tables = ''] = ['explanation/system-design', 'reference/database'].map((page) =>
    readFileSync(join(root, `docs/${page}.md`), 'utf8'),
  );
  expect(design).toMatch(/^```mermaid\nflowchart/m);
  expect(design.match(/^```mermaid\nsequenceDiagram/gm)?.length).toBeGreaterThanOrEqual(4);
  expect(tables).toMatch(/^```mermaid\nerDiagram/m);
});
