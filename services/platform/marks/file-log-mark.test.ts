import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { createFileLogMark } from './file-log-mark.ts';
import { markOf, testsOfLogMark } from './log-mark-harness.ts';
import { MarksUnreadableError } from './mark-texts.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = testFolder(onTestFinished);
});

testsOfLogMark(() => createFileLogMark(dataDir));

test('only the owner can read the file, and no other file remains beside it', async () => {
  await createFileLogMark(dataDir).swap(null, markOf(1));
  expect((await readdir(dataDir)).filter((name) => name.startsWith('audit'))).toEqual(['audit-mark.json']);
  expect((await stat(join(dataDir, 'audit-mark.json'))).mode & 0o777).toBe(0o600);
});

test.each(['', '{', '{"origin":"a","size":-1,"root":""}', '[]', '{"origin":"a","size":1,"root":"AA=="}'])(
  'an unreadable mark (%j) is an error that names the file, not an absent mark',
  async (text) => {
    await writeFile(join(dataDir, 'audit-mark.json'), text);
    const mark = createFileLogMark(dataDir);
    await expect(mark.read()).rejects.toBeInstanceOf(MarksUnreadableError);
    await expect(mark.swap(null, markOf(1))).rejects.toThrow('audit-mark.json');
  },
);
