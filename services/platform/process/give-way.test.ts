import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { NICE } from './give-way.ts';

const started: ChildProcess[] = [];
const usual = getPriority();
const isLinux = process.platform === 'linux';

/** A process of Node that did `code`, with `way` for what is tested. */
async function idler(code: string): Promise<number> {
  const way = JSON.stringify(new URL('./give-way.ts', import.meta.url).href);
  const child = spawn(process.execPath, [
    '-e',
    `import(${way}).then(async (way) => { ${code}; console.log('up'); setInterval(() => {}, 1e6); })`,
  ]);
  started.push(child);
  await once(child.stdout, 'data');
  return child.pid!;
}

/** The nice values of the threads of a process, by their names. */
const priorities = (pid: number): [name: string, priority: number][] =>
  readdirSync(`/proc/${pid}/task`).map((thread) => [
    readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim(),
    getPriority(Number(thread)),
  ]);

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

test.runIf(isLinux)('the threads that sign, compile and collect give way, and nobody else', async () => {
  const all = priorities(await idler('await way.letHelpersGiveWay()'));
  const helpers = all.filter(([name]) => name === 'libuv-worker' || name === 'V8Worker');
  expect(new Set(helpers.map(([name]) => name)).size).toBe(2);
  for (const [, priority] of helpers) expect(priority).toBe(NICE);
  expect(all.filter(([, priority]) => priority === usual)).toHaveLength(all.length - helpers.length);
});

test.runIf(isLinux)('a process that gives way as its first act does so with what it starts later', async () => {
  const pid = await idler(`way.giveWayHere(); await require('node:fs/promises').readdir('.')`);
  expect(getPriority(pid)).toBe(NICE);
  const signing = priorities(pid).filter(([name]) => name === 'libuv-worker');
  expect(signing.map(([, priority]) => priority)).toEqual([NICE, NICE, NICE, NICE]);
});

test.runIf(isLinux)('what gives way more already goes on doing so', async () => {
  const lowest = 19;
  const pid = await idler(
    `require('node:os').setPriority(0, ${lowest}); way.giveWayHere(); await way.letHelpersGiveWay()`,
  );
  expect(getPriority(pid)).toBe(lowest);
  const signing = priorities(pid).filter(([name]) => name === 'libuv-worker');
  expect(signing.map(([, priority]) => priority)).toEqual([lowest, lowest, lowest, lowest]);
});
