import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { getPriority } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { SHORT_SLICE_NS, sliceOf, takeShortTurns } from './short-slice.ts';

const usual = await sliceOf(process.pid);
const started: ChildProcess[] = [];

/** A process of Node with nothing to do; `code` runs in it first. */
async function idler(code = ''): Promise<number> {
  const child = spawn(process.execPath, ['-e', `${code};console.log('up');setInterval(() => {}, 1e6)`]);
  started.push(child);
  await once(child.stdout, 'data');
  return child.pid!;
}

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

test.runIf(usual)('a thread that asked has short turns, and no other', async () => {
  const [asking, other] = [await idler(), await idler()];
  expect(await takeShortTurns(asking)).toBe(true);
  expect(await sliceOf(asking)).toBe(SHORT_SLICE_NS);
  expect(await sliceOf(other)).toBe(usual);
});

test.runIf(usual)('what it starts afterwards has the usual turns', async () => {
  const asking = await idler(
    `process.once('SIGUSR2', () => console.log(require('child_process').spawn('sleep', ['1000']).pid))`,
  );
  const [child] = started;
  expect(await takeShortTurns(asking)).toBe(true);
  process.kill(asking, 'SIGUSR2');
  const [said] = (await once(child!.stdout!, 'data')) as [Buffer];
  const grandchild = Number(said.toString());
  try {
    expect(await sliceOf(grandchild)).toBe(usual);
  } finally {
    process.kill(grandchild, 'SIGKILL');
  }
});

test.runIf(usual)('its nice value stays', async () => {
  const asking = await idler('require("os").setPriority(7)');
  expect(await takeShortTurns(asking)).toBe(true);
  expect(getPriority(asking)).toBe(7);
});

test.runIf(usual)('a thread with a policy of its own keeps it', async () => {
  const asking = await idler();
  expect(spawnSync('chrt', ['--idle', '--pid', '0', String(asking)]).status).toBe(0);
  expect(await takeShortTurns(asking)).toBe(false);
});

test('a thread that is not there is told as not served', async () => {
  const asking = await idler();
  const [child] = started;
  child!.kill('SIGKILL');
  await once(child!, 'exit');
  expect(await takeShortTurns(asking)).toBe(false);
  expect(await sliceOf(asking)).toBeUndefined();
});
