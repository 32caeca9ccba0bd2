import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from './testing.ts';
import { watchSources } from './watch.ts';

let folder: string;
let seen: string[];
let watcher: { close(): void };
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-watch-'));
  for (const name of ['deep/er', 'generated']) mkdirSync(join(folder, name), { recursive: true });
  seen = [];
  watcher = watchSources([folder], (file) => seen.push(file));
});
afterEach(() => {
  watcher.close();
  rmSync(folder, { recursive: true, force: true });
});

test('a changed source is seen, wherever it lies; tests, generated code and other files are not', async () => {
  for (const name of ['generated/client.ts', 'deep/er/a.test.ts', 'notes.md']) writeFileSync(join(folder, name), 'x');
  // Events come in order: had one of those counted, it would have been reported no later than this one.
  writeFileSync(join(folder, 'deep/er/a.ts'), 'x');
  await eventually('the change', () => seen.length > 0 || undefined);
  expect(new Set(seen)).toEqual(new Set([join('deep', 'er', 'a.ts')]));
});

test('a changed migration is seen: SQL is source', async () => {
  writeFileSync(join(folder, 'deep/migration.sql'), 'SELECT 1;');
  await eventually('the change', () => seen.length > 0 || undefined);
  expect(seen).toEqual([join('deep', 'migration.sql')]);
});

test('many changes at once are one', async () => {
  for (let index = 0; index < 50; index += 1) writeFileSync(join(folder, `f${index}.ts`), 'x');
  await eventually('the change', () => seen.length > 0 || undefined);
  expect(seen).toHaveLength(1);
});
