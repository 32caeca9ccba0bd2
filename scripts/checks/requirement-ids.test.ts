import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sourceFiles, testTitles } from './test-titles.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/explanation/requirement-ids.md'), 'utf8');
const LONG_ID = /\b[A-DP]-[A-Z]{3}-\d\d\b/g;

/** `- **id** guarantee _source_`, and below it `  - title` for each test. */
const rows = [...page.matchAll(/^- \*\*([A-Z][A-Z0-9-]*\d)\*\* .+\n((?: {2}- .+\n)*)/gm)].map(([, id, tests]) => ({
  id: id as string,
  titles: [...(tests as string).matchAll(/- (.+)\n/g)].map(([, title]) => title as string),
}));
const ids = rows.map(({ id }) => id);
const titles = testTitles(root);
/** An id as a whole word: `U1` is neither in `U10` nor in `x-U1`. */
const namesAnId = (text: string): boolean =>
  text.match(LONG_ID) !== null || new RegExp(`(?<![\\w-])(?:${ids.join('|')})(?![\\w-])`).test(text);

describe('the page of requirements', () => {
  test('has each id once, and names the OWASP API Top 10 among the sources', () => {
    expect(rows.length).toBeGreaterThan(130);
    expect(rows).toHaveLength(page.match(/^- /gm)?.length ?? 0);
    expect(new Set(ids).size).toBe(ids.length);
    const covered = new Set([...page.matchAll(/API(10|[1-9])(?!\d)/g)].map(([, number]) => Number(number)));
    expect([...covered].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('names one to three tests for each id, each by a title that exactly one test has', () => {
    const files = Map.groupBy(titles, ({ title }) => title);
    const wrong = rows.flatMap(({ id, titles: named }) => [
      ...(named.length < 1 || named.length > 3 ? [`${id}: ${named.length} tests`] : []),
      ...named
        .filter((title) => files.get(title)?.length !== 1)
        .map((title) => `${id}: "${title}" is the title of ${files.get(title)?.length ?? 0} tests`),
    ]);
    expect(wrong).toEqual([]);
  });

  test('is the only place of the ids: no title, comment or other document contains one', () => {
    expect(['J7: a token', 'a password (U1, ASVS 6.2.1)', 'A-TOK-04', '(D-MWA-16)'].every(namesAnId)).toBe(true);
    expect(['U10: x', 'xU1', 'RS256', 'UTF8'].some(namesAnId)).toBe(false);
    const inTitles = titles.filter(({ title }) => namesAnId(title)).map(({ file, title }) => `${file}: ${title}`);
    expect(inTitles).toEqual([]);
    const files = [
      ...sourceFiles(root, '**/*.{ts,mjs,js,sql,prisma,yaml,yml}').filter(
        (file) => !file.startsWith('scripts/checks/'),
      ),
      ...sourceFiles(root, '**/*.md').filter((file) => !file.endsWith('/requirement-ids.md')),
    ];
    expect(files.length).toBeGreaterThan(1_000);
    const isComment = (line: string): boolean => /^\s*(?:\/\/|\/\*|\*|--|#)|\/\*\*|\s\/\/ /.test(line);
    const wrong = files.flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        // V8 is JavaScript's engine.
        .filter((line) => line.match(LONG_ID) || (isComment(line) && namesAnId(line.replaceAll(/\bV8\b/g, ''))))
        .map((line) => `${file}: ${line.trim()}`),
    );
    expect(wrong).toEqual([]);
  });
});
