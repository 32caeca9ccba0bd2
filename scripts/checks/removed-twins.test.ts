import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { testTitles } from './test-titles.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test('each removed twin names tests that still show the same', () => {
  const list = readFileSync(resolve(ROOT, 'testing/removed-twins.md'), 'utf8');
  const tests = new Set(
    testTitles(ROOT).map(({ file, title }) => `${file} › ${title.replaceAll(/\\(['"`\\])/g, '$1')}`),
  );
  const entries = list.split(/^- /m).slice(1);
  expect(entries.length).toBeGreaterThan(40);
  for (const entry of entries) {
    const [removed, ...proofs] = entry.split(/\n(?: {2}- )?/).filter((line) => line.includes(' '));
    const named = proofs.filter((line) => line.startsWith('`')).map((line) => line.slice(1, -1));
    expect([removed, named.length > 0]).toEqual([removed, true]);
    expect([removed, named.filter((proof) => !tests.has(proof))]).toEqual([removed, []]);
  }
});
