import { fork } from 'node:child_process';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { createFileMarks } from './file-marks.ts';
import { MarksUnreadableError } from './mark-texts.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = testFolder(onTestFinished);
});

const one = { incarnation: 'i1', revocationEpoch: 5, beat: 10 };

test('high-water marks are absent until they are first raised', async () => {
  const marks = createFileMarks(dataDir);
  expect(await marks.read()).toBeNull();
  expect(await marks.raise(one)).toEqual(one);
  expect(await marks.read()).toEqual(one);
});

test('no counter of the high-water marks decreases, and raise returns the resulting marks', async () => {
  const marks = createFileMarks(dataDir);
  await marks.raise(one);
  expect(await marks.raise({ ...one, revocationEpoch: 4, beat: 11 })).toEqual({ ...one, beat: 11 });
  expect(await marks.raise({ ...one, revocationEpoch: 1, beat: 1 })).toEqual({ ...one, beat: 11 });
  expect(await marks.read()).toEqual({ ...one, beat: 11 });
});

test('another incarnation takes over only if it names the one it replaces', async () => {
  const marks = createFileMarks(dataDir);
  await marks.raise(one);
  const two = { incarnation: 'i2', revocationEpoch: 1, beat: 1 };
  expect(await marks.raise(two)).toEqual(one);
  expect(await marks.raise(two, ['i0'])).toEqual(one);
  expect(await marks.raise(two, ['i0', 'i1'])).toEqual(two);
  // A late raise of the old incarnation changes nothing.
  expect(await marks.raise({ ...one, revocationEpoch: 99 })).toEqual(two);
});

test.each([
  ['half a file', '{"incarnation":"i1","revo'],
  ['nothing', ''],
  ['a negative number', '{"incarnation":"i1","revocation_epoch":-1,"beat":1}'],
  ['an extra member', '{"incarnation":"i1","revocation_epoch":1,"beat":1,"x":1}'],
])('unreadable marks are an error, not absent marks: %s', async (_what, text) => {
  await writeFile(join(dataDir, 'marks.json'), text);
  const marks = createFileMarks(dataDir);
  await expect(marks.read()).rejects.toThrow(MarksUnreadableError);
  await expect(marks.raise(one)).rejects.toThrow(MarksUnreadableError);
});

test('only the owner can read the file, and no other file remains beside it', async () => {
  const marks = createFileMarks(dataDir);
  await Promise.all(Array.from({ length: 20 }, (_, beat) => marks.raise({ ...one, beat })));
  expect((await stat(join(dataDir, 'marks.json'))).mode & 0o777).toBe(0o600);
  expect((await readdir(dataDir)).sort()).toEqual(['marks.json', 'run']);
  expect((await marks.read())?.beat).toBe(19);
});

test('concurrent raises of several processes never lower the marks', async () => {
  const child = fileURLToPath(new URL('raise-marks-child.ts', import.meta.url));
  const marks = createFileMarks(dataDir);
  await marks.raise({ incarnation: 'i1', revocationEpoch: 0, beat: 0 });
  let isRunning = true;
  const watching = (async () => {
    let seen = { revocationEpoch: 0, beat: 0 };
    let reads = 0;
    while (isRunning) {
      const now = (await marks.read())!;
      expect(now.revocationEpoch).toBeGreaterThanOrEqual(seen.revocationEpoch);
      expect(now.beat).toBeGreaterThanOrEqual(seen.beat);
      seen = now;
      reads += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return reads;
  })();
  const codes = await Promise.all(
    [1, 2, 3].map(
      (seed) =>
        new Promise((resolve) =>
          fork(child, [dataDir, String(seed)], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }).once(
            'exit',
            resolve,
          ),
        ),
    ),
  );
  isRunning = false;
  expect(codes).toEqual([0, 0, 0]);
  expect(await watching).toBeGreaterThan(10);
  // The highest value that any process raised, although one raised it early and the others never.
  expect(await marks.read()).toEqual({ incarnation: 'i1', revocationEpoch: 303, beat: 1_003 });
});
