import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { childEnv } from './child-env.ts';

export type CliRun = { readonly code: number | null; readonly out: string; readonly err: string };

const ROOT = join(import.meta.dirname, '../..');

/** Starts `sallyport <args>` as a process with only the given settings and those every child gets. */
export function startCli(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcessByStdio<Writable, Readable, Readable> {
  return spawn(process.execPath, ['cli/main.ts', ...args], {
    cwd: ROOT,
    env: { ...childEnv(), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** The same to its end. @param input its standard input */
export function runCli(args: readonly string[], env: Readonly<Record<string, string>>, input = ''): Promise<CliRun> {
  const child = startCli(args, env);
  // A verb that never reads its input may have ended already.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  let out = '';
  let err = '';
  child.stdout.on('data', (part: Buffer) => {
    out += part;
  });
  child.stderr.on('data', (part: Buffer) => {
    err += part;
  });
  return new Promise((done) => child.once('close', (code) => done({ code, out, err })));
}
