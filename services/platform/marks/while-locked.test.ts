import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { whileLocked } from './while-locked.ts';

const run = promisify(execFile);
let folder: string;
let lock: string;
beforeEach(() => {
  folder = testFolder(onTestFinished);
  lock = join(folder, 'lock');
  writeFileSync(join(folder, 'count'), '0');
});

const program = (work: string): string[] => [
  '--input-type=module',
  '-e',
  `import { readFileSync, writeFileSync } from 'node:fs';
   import { setTimeout as sleep } from 'node:timers/promises';
   import { whileLocked } from ${JSON.stringify(new URL('./while-locked.ts', import.meta.url).href)};
   const [lock, file] = ${JSON.stringify([lock, join(folder, 'count')])};
   ${work}`,
];

/** Reads the counter, pauses, and writes it back, twenty times: any overlap loses a count. */
const counting = () =>
  program(`for (let n = 0; n < 20; n += 1)
  await whileLocked(lock, async () => {
    const value = Number(readFileSync(file, 'utf8'));
    await sleep(2);
    writeFileSync(file, String(value + 1));
  });`);
const count = (): number => Number(readFileSync(join(folder, 'count'), 'utf8'));

/** A process that holds the lock until it is killed. */
async function startHolder(): Promise<ChildProcess> {
  const hold = program(`await whileLocked(lock, () => { console.log('held'); return sleep(600_000); });`);
  const holder = spawn(process.execPath, hold, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout!, 'data');
  return holder;
}

test('only one process holds the lock at a time', async () => {
  await Promise.all(Array.from({ length: 4 }, () => run(process.execPath, counting())));
  expect(count()).toBe(80);
});

const unshare = ['--pid', '--fork', '--kill-child'];
const canUnshare = spawnSync('unshare', [...unshare, 'true']).status === 0;

test.runIf(canUnshare)('only one process holds the lock at a time across pid namespaces', async () => {
  await Promise.all(Array.from({ length: 4 }, () => run('unshare', [...unshare, process.execPath, ...counting()])));
  expect(count()).toBe(80);
});

test('only one call within a process holds the lock at a time', async () => {
  let holders = 0;
  const calls = Array.from({ length: 20 }, () =>
    whileLocked(lock, async () => {
      holders += 1;
      expect(holders).toBe(1);
      await new Promise((done) => setTimeout(done, 1));
      holders -= 1;
    }),
  );
  await Promise.all(calls);
});

test('a killed holder releases the lock, also if many processes wait', async () => {
  const holder = await startHolder();
  const waiting = Array.from({ length: 3 }, () => run(process.execPath, counting()));
  await new Promise((done) => setTimeout(done, 300));
  expect(count()).toBe(0);
  holder.kill('SIGKILL');
  await Promise.all(waiting);
  expect(count()).toBe(60);
});

test('a stopped holder (SIGSTOP) keeps the lock', async () => {
  const holder = await startHolder();
  holder.kill('SIGSTOP');
  let isIn = false;
  const waiting = whileLocked(lock, async () => {
    isIn = true;
  });
  await new Promise((done) => setTimeout(done, 200));
  expect(isIn).toBe(false);
  holder.kill('SIGKILL');
  await waiting;
});

test('the lock is released if the work throws, and a file that is not a lock is an error', async () => {
  await expect(whileLocked(lock, () => Promise.reject(new Error('work failed')))).rejects.toThrow('work failed');
  expect(await whileLocked(lock, async () => 'held')).toBe('held');
  writeFileSync(lock, 'another file '.repeat(100));
  await expect(whileLocked(lock, async () => {})).rejects.toThrow('not a database');
});
