import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { descendantsOf } from './lib/cpu-time.ts';

/** The runner on the real product, with a program in place of k6 that runs until SIGINT. */

const FAKE_K6 = `#!${process.execPath}
const { writeFileSync } = require('node:fs');
const work = setInterval(() => {}, 100);
process.on('SIGINT', () => {
  clearInterval(work);
  const group = { checks: [{ name: 'a token is active', passes: 1, fails: 0 }], groups: [] };
  const summary = { metrics: {}, root_group: group, state: { testRunDurationMs: 1000 } };
  writeFileSync(process.env.SUMMARY_FILE, JSON.stringify(summary));
  process.exitCode = 105;
});
`;

let folder: string;
let runner: ChildProcess | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-fake-k6-'));
  const file = join(folder, 'k6');
  writeFileSync(file, FAKE_K6);
  chmodSync(file, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => void runner?.kill('SIGKILL'));

const isAlive = (pid: number): boolean => {
  try {
    // A zombie has ended; only its parent has not looked yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};
const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // It ended after it was listed.
  }
};

/** Starts the runner, and waits until k6 runs. */
async function startRun() {
  const child = spawn(process.execPath, ['load-tests/run.ts', 'validate', '--results', folder], {
    cwd: join(import.meta.dirname, '..'),
    env: { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  runner = child;
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (part: Buffer) => {
      output += part;
    });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  // It starts a whole product first: waits as long as the runner itself does, and no longer.
  await eventually(
    'k6',
    () => {
      if (child.exitCode !== null) throw new Error(`the runner ended with ${child.exitCode}:\n${output}`);
      return /validate, profile smoke/.test(output);
    },
    240_000,
  );
  const pids = await eventually('its process', () => {
    const all = descendantsOf(child.pid as number);
    return all.some((pid) => commandOf(pid).includes(join(folder, 'k6'))) ? all : undefined;
  });
  return { child, pids, ended, output: () => output };
}

/** Runs the runner to its end, where it needs no product. */
const refuse = (...args: string[]) =>
  spawnSync(process.execPath, ['load-tests/run.ts', ...args], {
    cwd: join(import.meta.dirname, '..'),
    encoding: 'utf8',
  });

test.for([
  ['no load on another machine without --yes', 2, /add --yes/, ['--url', 'https://auth.example', '--credentials', 'x']],
  ['no installation without its credentials', 2, /go together/, ['--url', 'http://127.0.0.1:9']],
  [
    'no other credentials than of this form',
    2,
    /needs user/,
    ['--url', 'http://127.0.0.1:9', '--credentials', 'package.json'],
  ],
  ['no unknown profile', 2, /no such profile/, ['--profile', 'none']],
  ['no option of another installation without --url', 2, /--metrics needs --url/, ['--metrics', 'http://127.0.0.1:9']],
] as const)('accepts %s, and says why', ([, code, reason, args]) => {
  const { status, stderr } = refuse('validate', ...args);
  expect(stderr).toMatch(reason);
  expect(status).toBe(code);
});

const leftOf = (pids: readonly number[]): number[] => pids.filter(isAlive);

test('an interrupted run leaves no process of k6 or the product, reports what it has, and exits 130', {
  timeout: 300_000,
}, async () => {
  const { child, pids, ended, output } = await startRun();
  expect(pids.length).toBeGreaterThan(4);
  child.kill('SIGINT');
  expect(await ended, output()).toBe(130);
  expect(leftOf(pids).map(commandOf)).toEqual([]);
  expect(output()).toContain('interrupted');
  expect(readdirSync(folder).filter((file) => file.endsWith('.json'))).toHaveLength(1);
});

test('a product killed during a run is named in the report, nothing is left, and the run exits 1', {
  timeout: 300_000,
}, async () => {
  const { pids, ended, output } = await startRun();
  const product = pids.find((pid) => /cli(\/main\.ts|\.mjs) start/.test(commandOf(pid))) as number;
  process.kill(product, 'SIGKILL');
  expect(await ended, output()).toBe(1);
  expect(output()).toContain('INCIDENT: the product ended (SIGKILL)');
  expect(output()).toMatch(/FAIL the product and k6 ran to the end/);
  expect(leftOf(pids).map(commandOf)).toEqual([]);
});
