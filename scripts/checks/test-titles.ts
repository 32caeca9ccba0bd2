import { globSync, readFileSync } from 'node:fs';

export type TestTitle = { readonly file: string; readonly title: string };

// A call whose first argument is text and whose second is a function: test, describe, and what `each` returns.
const TITLE = /\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1\s*,\s*(?:async\b|function\b|\(|\w+\s*=>|\{\s*timeout)/g;
// A test of promtool.
const NAME = /^\s*- name: (.+)$/gm;

/** Every file of this repository that a pattern matches. */
export const sourceFiles = (root: string, pattern: string): string[] =>
  globSync(pattern, { cwd: root, exclude: (path) => /(^|\/)(node_modules|\.[a-z]+|generated)(\/|$)/.test(path) });

/** The titles of all tests and groups of tests in this repository, as written. */
export function testTitles(root: string): TestTitle[] {
  const titlesIn = (files: string[], form: RegExp, group: number): TestTitle[] =>
    files.flatMap((file) =>
      [...readFileSync(`${root}/${file}`, 'utf8').matchAll(form)].map((found) => ({
        file,
        title: found[group] as string,
      })),
    );
  return [
    ...titlesIn(sourceFiles(root, '**/*.test.{ts,mjs}'), TITLE, 2),
    ...titlesIn(sourceFiles(root, '**/*.test.yaml'), NAME, 1),
  ];
}
