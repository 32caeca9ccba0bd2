import { globSync, readFileSync } from 'node:fs';

/** `within`: the titles of the groups around it. */
export type TestTitle = { readonly file: string; readonly title: string; readonly within: readonly string[] };

// A call whose first argument is text and whose second is a function: test, describe, and what `each` returns.
const TITLE = /\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1\s*,\s*(?:async\b|function\b|\(|\w+\s*=>|\{\s*timeout)/g;
// A test of promtool.
const NAME = /^\s*- name: (.+)$/gm;

/** Every file of this repository that a pattern matches. */
export const sourceFiles = (root: string, pattern: string): string[] =>
  globSync(pattern, { cwd: root, exclude: (path) => /(^|\/)(node_modules|\.[a-z]+|dist|generated)(\/|$)/.test(path) });

/** The titles of all tests and groups of tests in this repository, as written. */
export function testTitles(root: string): TestTitle[] {
  const titlesIn = (files: string[], form: RegExp, group: number): TestTitle[] =>
    files.flatMap((file) => {
      const text = readFileSync(`${root}/${file}`, 'utf8');
      const around: { readonly indent: number; readonly title: string }[] = [];
      return [...text.matchAll(form)].map((found) => {
        const line = text.slice(text.lastIndexOf('\n', found.index) + 1, found.index);
        const indent = line.length - line.trimStart().length;
        while ((around.at(-1)?.indent ?? -1) >= indent) around.pop();
        const within = around.map(({ title }) => title);
        const title = found[group] as string;
        around.push({ indent, title });
        return { file, title, within };
      });
    });
  return [
    ...titlesIn(sourceFiles(root, '**/*.test.{ts,mjs}'), TITLE, 2),
    ...titlesIn(sourceFiles(root, '**/*.test.yaml'), NAME, 1),
  ];
}
