import { setPriority } from 'node:os';
import { resolve } from 'node:path';
import { startChild } from './children.ts';

export const ROOT = resolve(import.meta.dirname, '../..');
export const OUT = resolve(ROOT, 'coverage');
export const CACHE = resolve(ROOT, 'node_modules/.cache');
const BIN = resolve(ROOT, 'node_modules/.bin');

export type Ran = { readonly status: number; readonly output: string };
type Env = Readonly<Record<string, string>>;

const environment = (env: Env) => ({ cwd: ROOT, env: { ...process.env, ...env } });

/** Runs a program and shows its output immediately. */
export const run = (args: readonly string[], env: Env = {}): Promise<Ran> =>
  new Promise((done, fail) => {
    const child = startChild(resolve(BIN, 'node'), args, { ...environment(env), stdio: 'inherit' });
    child.once('error', fail).once('exit', (code) => done({ status: code ?? 1, output: '' }));
  });

/**
 * Runs a program concurrently with others; its output is shown when it has ended.
 * @param niceness above 0: gives way to programs that measure or wait
 */
export const runQuietly = (command: string, args: readonly string[], env: Env = {}, niceness = 0): Promise<Ran> =>
  new Promise((done, fail) => {
    const child = startChild(resolve(BIN, command), args, { ...environment(env), stdio: ['ignore', 'pipe', 'pipe'] });
    if (niceness > 0 && child.pid !== undefined) setPriority(child.pid, niceness);
    const output: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.push(chunk));
    child.once('error', fail).once('close', (code) => done({ status: code ?? 1, output: output.join('') }));
  });
