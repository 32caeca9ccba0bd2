import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const page = 'docs/reference/glossary.md';
const rows = readFileSync(join(ROOT, page), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, word, meaning, link] = /^\| ([^|]+?) +\| ([^|]+?) +\| \[[^\]]+\]\(([^)]+)\) +\|$/.exec(line) ?? [];
    return word && meaning && link ? [{ word, meaning, link }] : [];
  });
const words = rows.map(({ word }) => word);

test('the glossary has some thirty words, each once and in order, with one sentence', () => {
  expect(words.length).toBeGreaterThanOrEqual(30);
  expect(words.length).toBeLessThanOrEqual(40);
  expect(words).toEqual([...new Set(words)].sort());
  for (const { word, meaning } of rows) expect(meaning, word).toMatch(/^[A-Z].{20,160}\.$/);
});

test.each(rows)('$word is used where the glossary leads', ({ word, link }) => {
  const text = readFileSync(join(ROOT, dirname(page), link), 'utf8').toLowerCase();
  expect(text).toContain(word);
});

test('no other page defines a word of the glossary', () => {
  const pages = globSync(['*.md', 'docs/**/*.md', 'services/**/README.md'], { cwd: ROOT }).filter(
    (each) => each !== page,
  );
  expect(pages.length).toBeGreaterThan(80);
  const defines = new RegExp(`^(?:A|An|The) [_*]+(${words.join('|')})[_*]+ (?:is|means) `, 'im');
  const second = pages.filter((each) => defines.test(readFileSync(join(ROOT, each), 'utf8')));
  expect(second).toEqual([]);
});

test('the README, CONTRIBUTING and the index lead to the glossary', () => {
  for (const each of ['README.md', 'CONTRIBUTING.md', 'docs/README.md'])
    expect(readFileSync(join(ROOT, each), 'utf8'), each).toContain('reference/glossary.md');
});
