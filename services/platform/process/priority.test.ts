import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { BACKGROUND, lowerPriority } from './priority.ts';

const started: ChildProcess[] = [];

/** Starts a Node process that runs `code`, and waits until it has. */
async function idler(code = ''): Promise<number> {
  const priority = JSON.stringify(new URL('./priority.ts', import.meta.url).href);
  const child = spawn(process.execPath, [
    '-e',
    `import(${priority}).then(async ({ lowerPriority }) => { ${code}; console.log('up'); setInterval(() => {}, 1e6); })`,
  ]);
  started.push(child);
  await once(child.stdout, 'data');
  return child.pid!;
}

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

test('lowers the priority of another process, and never raises a lower one', async () => {
  const pid = await idler();
  lowerPriority(pid, BACKGROUND);
  expect(getPriority(pid)).toBe(BACKGROUND);
  lowerPriority(pid, 19);
  lowerPriority(pid, BACKGROUND);
  expect(getPriority(pid)).toBe(19);
});

test.runIf(process.platform === 'linux')('threads that a process starts later inherit its priority', async () => {
  const pid = await idler(`lowerPriority(0, ${BACKGROUND}); await require('node:fs/promises').readdir('.')`);
  const pool = readdirSync(`/proc/${pid}/task`).filter(
    (thread) => readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim() === 'libuv-worker',
  );
  expect(pool.map((thread) => getPriority(Number(thread)))).toEqual(Array(4).fill(BACKGROUND));
});

test('a refusal is logged once and an ended process is ignored; neither throws', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): number => warnings.push(warning);
  process.on('warning', onWarning);
  const ended = await idler();
  const [child] = started.splice(0);
  child?.kill('SIGKILL');
  await once(child!, 'exit');
  lowerPriority(ended, 19);
  const outOfRange = 2 ** 40;
  lowerPriority(outOfRange, 19);
  lowerPriority(outOfRange, 19);
  // Node emits warnings in the next tick.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining(`process ${outOfRange} cannot be lowered`),
  ]);
});
