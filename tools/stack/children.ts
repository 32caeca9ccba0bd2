import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './programs.ts';

const PATIENCE_MS = 120_000;

export type Child = {
  name: string;
  process: ChildProcess;
  /** Everything it wrote to either output. */
  output(): string;
};

export type Children = {
  /** @param cwd where it runs; unless given, the root of this checkout */
  start(name: string, command: string, args: readonly string[], env?: Record<string, string>, cwd?: string): Child;
  /** Ends all in the reverse order of their start, each with its own drain. */
  stop(): Promise<void>;
};

/** @param onLine told of each line a child writes to standard error */
export function createChildren(onLine: (name: string, line: string) => void): Children {
  const running: Child[] = [];
  let isStopping = false;
  return {
    start(name, command, args, env = {}, cwd = root) {
      if (isStopping) throw new Error(`not started, because the rest is being stopped: ${name}`);
      const child = spawn(command, args, {
        cwd,
        // Of its own group: a Ctrl-C here is for us, who end them in order.
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env.PATH, HOME: process.env.HOME, LANG: process.env.LANG, ...env },
      });
      let text = '';
      let rest = '';
      child.stdout?.on('data', (part) => {
        text += part;
      });
      child.stderr?.on('data', (part) => {
        text += part;
        const lines = (rest + part).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) onLine(name, line);
      });
      child.once('error', (err) => {
        text += err.message;
      });
      const started: Child = { name, process: child, output: () => text };
      running.push(started);
      return started;
    },
    async stop() {
      isStopping = true;
      for (const { process: child } of running.reverse()) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const ended = new Promise((done) => child.once('exit', done));
        child.kill('SIGTERM');
        await Promise.race([ended, sleep(45_000, undefined, { ref: false })]);
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      }
    },
  };
}

/** Polls until `ask` gives something; fails with the last words of `child` when that ended or time is over. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  child?: Child,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const value = await Promise.resolve(ask()).catch(() => undefined);
    if (value !== undefined && value !== false) return value;
    const isOver = child !== undefined && (child.process.exitCode !== null || child.process.signalCode !== null);
    if (isOver || performance.now() > deadline)
      throw new Error(`never came: ${what}${child ? `\n${child.name} said:\n${child.output().slice(-3_000)}` : ''}`);
    await sleep(200);
  }
}

/**
 * What one container runs: its role, by the entry point of the image.
 * @param code the checkout to run; unless given, this one
 */
export const startRole = (
  children: Children,
  name: string,
  role: 'api' | 'worker' | 'mcp' | 'migrate',
  env: Record<string, string>,
  code = root,
): Child =>
  children.start(
    name,
    join(code, 'node_modules/.bin/node'),
    ['deploy/container/entry.mjs', role],
    { ...env, SALLYPORT_ENV_FILE: '' },
    code,
  );
