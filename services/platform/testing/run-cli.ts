import { spawn } from 'node:child_process';
import { join } from 'node:path';

export type CliRun = { readonly code: number | null; readonly out: string; readonly err: string };

const ROOT = join(import.meta.dirname, '../../..');

/** `sallyport <args>` as a process of its own, with nothing in its environment but PATH and what is given. */
export function runCli(args: readonly string[], env: Readonly<Record<string, string>>): Promise<CliRun> {
  const { PATH = '', NODE_V8_COVERAGE } = process.env;
  const child = spawn(process.execPath, ['cli/main.ts', ...args], {
    cwd: ROOT,
    env: { PATH, ...(NODE_V8_COVERAGE ? { NODE_V8_COVERAGE } : {}), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
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
