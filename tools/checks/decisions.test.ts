import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const folder = resolve(import.meta.dirname, '../../docs/adr');

test('the index has each decision once, with its number', () => {
  const index = readFileSync(resolve(folder, 'README.md'), 'utf8');
  const linked = [...index.matchAll(/\[(\d+)\]\((0[^)]+\.md)\)/g)].map(([, number, file]) => [Number(number), file]);
  const decisions = globSync('0*.md', { cwd: folder }).sort();
  expect(decisions.length).toBeGreaterThan(20);
  expect(linked.sort(([a], [b]) => Number(a) - Number(b))).toEqual(decisions.map((file) => [+file.slice(0, 4), file]));
});
