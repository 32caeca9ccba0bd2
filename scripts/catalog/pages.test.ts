import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { configurationPage, envExample } from './pages.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test('no generated page shows an object instead of a value', () => {
  const files = ['.env.example', ...globSync('docs/reference/*', { cwd: ROOT })];
  expect(files.length).toBeGreaterThan(5);
  const pages = [configurationPage(), envExample(), ...files.map((file) => readFileSync(resolve(ROOT, file), 'utf8'))];
  for (const page of pages) expect(page).not.toContain('[object');
});
