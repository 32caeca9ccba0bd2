import { globSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const numberOf = (file: string): number => Number(basename(file).slice(0, 4));
const decisions = globSync('docs/adr/0*.md', { cwd: ROOT }).sort();
const index = readFileSync(resolve(ROOT, 'docs/adr/README.md'), 'utf8');

test('the heading of each decision has the number of its file, and no two have the same', () => {
  expect(decisions.length).toBeGreaterThan(20);
  expect(new Set(decisions.map(numberOf)).size).toBe(decisions.length);
  for (const file of decisions) {
    expect(basename(file)).toMatch(/^\d{4}-[a-z-]+\.md$/);
    expect(readFileSync(resolve(ROOT, file), 'utf8'), file).toMatch(new RegExp(`^# ${numberOf(file)}\\. \\S`));
  }
});

test('the index has each decision once, with its number', () => {
  const linked = [...index.matchAll(/\[(\d+)\]\((0[^)]+\.md)\)/g)].map(([, number, file]) => [Number(number), file]);
  const there = decisions.map((file) => [numberOf(file), basename(file)]);
  expect(linked.sort(([a], [b]) => Number(a) - Number(b))).toEqual(there);
});
