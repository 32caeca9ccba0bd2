import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { isSameProcessAlive, processStart, withFileLock } from './file-lock.mjs';

const run = promisify(execFile);
const module_ = new URL('./file-lock.mjs', import.meta.url).href;
let folder: string;
let lock: string;
beforeEach(() => {
  folder = testFolder(onTestFinished);
  lock = join(folder, 'lock');
});

/** Each process reads the counter, pauses, and writes it back: any overlap loses a count. */
const count = (times: number): Promise<unknown> =>
  run(process.execPath, [
    '--input-type=module',
    '-e',
    `import { readFileSync, writeFileSync } from 'node:fs';
     import { withFileLock } from ${JSON.stringify(module_)};
     const file = ${JSON.stringify(join(folder, 'count'))};
     for (let n = 0; n < ${times}; n += 1)
       await withFileLock(${JSON.stringify(lock)}, async () => {
         const value = Number(readFileSync(file, 'utf8'));
         await new Promise((done) => setTimeout(done, 2));
         writeFileSync(file, String(value + 1));
       });`,
  ]);

const deadPid = async (): Promise<number> => {
  const { stdout } = await run(process.execPath, ['-p', 'process.pid']);
  return Number(stdout);
};

test('only one process holds the lock at a time, even if all find it left by a dead process', async () => {
  writeFileSync(join(folder, 'count'), '0');
  const dead = await deadPid();
  for (const name of [lock, `${lock}.${dead}.candidate`])
    writeFileSync(name, JSON.stringify({ pid: dead, start: '1' }));
  await Promise.all([count(20), count(20), count(20), count(20)]);
  expect([readFileSync(join(folder, 'count'), 'utf8'), readdirSync(folder)]).toEqual(['80', ['count']]);
});

test('a live process with the pid of a dead holder does not keep the lock', async () => {
  writeFileSync(lock, JSON.stringify({ pid: process.pid, start: 'long ago' }));
  expect(await withFileLock(lock, () => 'held')).toBe('held');
});

test.each(['', '{"pid":4', '{}', 'null'])(
  'takes over a lock that a crash of the machine left as %j',
  async (content) => {
    writeFileSync(lock, content);
    expect(await withFileLock(lock, () => 'held')).toBe('held');
    expect(readdirSync(folder)).toEqual([]);
  },
);

test.runIf(process.platform === 'linux')(
  'a holder of an earlier boot is dead, even if a process has its pid and ticks now',
  async () => {
    const [, ticks] = processStart(process.pid)!.split(':');
    const other = { pid: process.pid, start: `another-boot:${ticks}` };
    expect(isSameProcessAlive(other)).toBe(false);
    writeFileSync(lock, JSON.stringify(other));
    expect(await withFileLock(lock, () => 'held')).toBe('held');
  },
);

test('waits for a live holder, reports that once, and releases the lock if the work throws', async () => {
  const gate = Promise.withResolvers<void>();
  const first = withFileLock(lock, async () => {
    await gate.promise;
    throw new Error('work failed');
  });
  const waits: number[] = [];
  const order: string[] = [];
  const second = withFileLock(
    lock,
    () => void order.push('second'),
    (pid) => {
      waits.push(pid);
      order.push('first');
      gate.resolve();
    },
  );
  await expect(first).rejects.toThrow('work failed');
  await second;
  expect([waits, order, existsSync(lock)]).toEqual([[process.pid], ['first', 'second'], false]);
});

test('identifies a process by its start time, not by its pid alone', async () => {
  const start = processStart(process.pid);
  expect(isSameProcessAlive({ pid: process.pid, start })).toBe(true);
  expect(isSameProcessAlive({ pid: process.pid, start: `${start}0` })).toBe(false);
  expect(isSameProcessAlive({ pid: await deadPid() })).toBe(false);
});

test('a process on a full disk leaves no lock file behind', async () => {
  const take = `import { withFileLock } from ${JSON.stringify(module_)};
    await withFileLock(${JSON.stringify(lock)}, () => {}).catch((err) => console.log(err.code));`;
  // With a file size limit of 0, as on a full disk, a file is created and its content is refused.
  const limited = ['-c', 'ulimit -f 0; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', take];
  expect((await run('sh', limited)).stdout.trim()).toBe('EFBIG');
  expect(readdirSync(folder)).toEqual([]);
});
