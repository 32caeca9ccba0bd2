import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const PAGE = 'docs/explanation/requirement-ids.md';
const idsIn = (file: string): string[] =>
  readFileSync(join(root, file), 'utf8').match(/\b[A-DP]-[A-Z]{3}-\d\d\b/g) ?? [];

test('every requirement id of the repository is explained, once', () => {
  const files = globSync(
    ['{services,jobs,observability,cli,scripts,load-tests,prisma,deploy}/**/*.{ts,mjs,js,sql,prisma}', '**/*.md'],
    { cwd: root, exclude: (path) => /node_modules|\.sallyport|generated/.test(path) },
  ).filter((file) => file !== PAGE);
  const used = new Set(files.flatMap(idsIn));
  expect(used.size).toBeGreaterThan(40);
  const explained = [...readFileSync(join(root, PAGE), 'utf8').matchAll(/^\| ([A-DP]-[A-Z]{3}-\d\d) +\|/gm)].map(
    ([, id]) => id,
  );
  expect(new Set(explained).size).toBe(explained.length);
  expect([...used].filter((id) => !explained.includes(id))).toEqual([]);
});
