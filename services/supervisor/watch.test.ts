import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { watchSources } from './watch.ts';

let folder: string;
let seen: string[];
let watcher: { close(): void };
beforeEach(() => {
  folder = testFolder(onTestFinished);
  for (const name of ['deep/er', 'generated']) mkdirSync(join(folder, name), { recursive: true });
  seen = [];
  watcher = watchSources([folder], (file) => seen.push(file));
});
afterEach(() => watcher.close());

test('a changed source is detected in any folder; tests, generated code and other files are not', async () => {
  for (const name of ['generated/client.ts', 'deep/er/a.test.ts', 'deep/a-harness.ts', 'notes.md'])
    writeFileSync(join(folder, name), 'x');
  // Events come in order: one for those files would have been reported no later than this one.
  writeFileSync(join(folder, 'deep/er/a.ts'), 'x');
  await eventually('the change', () => seen.length > 0 || undefined);
  expect(new Set(seen)).toEqual(new Set([join('deep', 'er', 'a.ts')]));
});

test('a changed migration is detected, because SQL is source', async () => {
  writeFileSync(join(folder, 'deep/migration.sql'), 'SELECT 1;');
  await eventually('the change', () => seen.length > 0 || undefined);
  expect(seen).toEqual([join('deep', 'migration.sql')]);
});

test('many changes at once are reported once', async () => {
  for (let index = 0; index < 50; index += 1) writeFileSync(join(folder, `f${index}.ts`), 'x');
  await eventually('the change', () => seen.length > 0 || undefined);
  expect(seen).toHaveLength(1);
});

test('a source saved by renaming, as editors do, is detected each time', async () => {
  for (const round of [1, 2, 3]) {
    seen.length = 0;
    writeFileSync(join(folder, 'deep/er/unsaved'), `round ${round}`);
    renameSync(join(folder, 'deep/er/unsaved'), join(folder, 'deep/er/a.ts'));
    await eventually('the change', () => seen.includes(join('deep', 'er', 'a.ts')) || undefined);
    // No event of this round is left for the next.
    writeFileSync(join(folder, 'deep/er', `${round}.ts`), 'x');
    await eventually('what came after it', () => seen.includes(join('deep', 'er', `${round}.ts`)) || undefined);
  }
});

test('a folder that is created, deleted and created again is watched with its content', async () => {
  for (const file of ['first.ts', 'second.ts']) {
    mkdirSync(join(folder, 'new/er'), { recursive: true });
    writeFileSync(join(folder, 'new/er', file), 'x');
    await eventually('the change', () => seen.includes(join('new', 'er', file)) || undefined);
    rmSync(join(folder, 'new'), { recursive: true });
  }
});
