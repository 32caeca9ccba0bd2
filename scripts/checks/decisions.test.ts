import { globSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const decisions = globSync('docs/adr/0*.md', { cwd: ROOT }).sort();

test('decisions are numbered without a gap, and each heading has the number of its file', () => {
  expect(decisions.length).toBeGreaterThan(20);
  for (const [index, file] of decisions.entries()) {
    const number = index + 1;
    expect(basename(file)).toMatch(new RegExp(`^${String(number).padStart(4, '0')}-[a-z-]+\\.md$`));
    expect(readFileSync(resolve(ROOT, file), 'utf8'), file).toMatch(new RegExp(`^# ${number}\\. \\S`));
  }
});

test('the index of decisions has each of them once, by its number', () => {
  const index = readFileSync(resolve(ROOT, 'docs/adr/README.md'), 'utf8');
  const linked = [...index.matchAll(/\[(\d+)\]\((0[^)]+\.md)\)/g)].map(([, number, file]) => [Number(number), file]);
  const there = decisions.map((file, place) => [place + 1, basename(file)]);
  expect(linked.sort(([a], [b]) => Number(a) - Number(b))).toEqual(there);
});
