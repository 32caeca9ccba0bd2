import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

/** The attribute `linguist-generated` of each file, as git reads .gitattributes. */
const markOf = (files: readonly string[]): Map<string, string> =>
  new Map(
    execFileSync('git', ['check-attr', 'linguist-generated', '--', ...files], { cwd: ROOT, encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => line.split(': linguist-generated: ') as [string, string]),
  );

test('every file that `npm run catalog` writes is marked as generated, and no page written by hand is', () => {
  const source = readFileSync(resolve(ROOT, 'tools/catalog/main.ts'), 'utf8');
  const written = [
    ...[...source.matchAll(/^ {4}'([\w./-]+)':/gm)].map(([, path]) => path as string),
    ...globSync('observability/dashboards/*.json', { cwd: ROOT }),
  ];
  expect(written.length).toBeGreaterThan(20);
  expect([...markOf(written)].filter(([, mark]) => mark !== 'set')).toEqual([]);
  const byHand = globSync(['docs/reference/*.md', 'docs/*/*.md', '*.md', 'observability/dashboards/*.ts'], {
    cwd: ROOT,
  });
  const others = byHand.filter((path) => !written.includes(path));
  expect(others.length).toBeGreaterThan(50);
  expect([...markOf(others)].filter(([, mark]) => mark === 'set')).toEqual([]);
});

test('the API is described in at most 35,000 lines', () => {
  const lines = readFileSync(resolve(ROOT, 'docs/reference/openapi.json'), 'utf8').split('\n').length;
  expect(lines).toBeLessThanOrEqual(35_000);
});
