import { globSync, readFileSync } from 'node:fs';

export type TestTitle = { readonly file: string; readonly title: string };

// A call whose first argument is text and whose second is a function: test, describe, and what `each` returns.
const TITLE = /\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1\s*,\s*(?:async\b|function\b|\(|\w+\s*=>|\{ ?timeout)/g;

/** The titles of every test and group of tests of the repository, as written. */
export function testTitles(root: string): TestTitle[] {
  return globSync('{services,observability,cli,jobs,scripts}/**/*.test.ts', { cwd: root }).flatMap((file) =>
    [...readFileSync(`${root}/${file}`, 'utf8').matchAll(TITLE)].map(([, , title]) => ({
      file,
      title: title as string,
    })),
  );
}

/** Where a title names an id: as a word of its own, `U1` not being in `U10` or `A-CFG-U1`. */
export const namesId = (title: string, id: string): boolean =>
  new RegExp(`(?<![\\w-])${id.replaceAll(/[.*+?^$()|[\]\\{}]/g, '\\$&')}(?![\\w-])`).test(title);
