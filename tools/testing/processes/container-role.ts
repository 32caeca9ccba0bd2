// For tests only: a process as a container runs it, by the entry point of the image.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../../..');

export type RoleProcess = {
  readonly child: ChildProcess;
  /** All that it has written so far. */
  said(): string;
  exitCode(): Promise<number | null>;
};

/** Starts `api`, `worker`, `mcp` or `migrate` with these settings and no others. */
export function startContainerRole(role: string, env: Readonly<Record<string, string>>): RoleProcess {
  const child = spawn(process.execPath, ['deploy/container/entry.mjs', role], {
    cwd: root,
    env: { PATH: process.env.PATH, SALLYPORT_ENV_FILE: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += part));
  const ended = once(child, 'exit');
  return {
    child,
    said: () => text,
    exitCode: async () => {
      await ended;
      return child.exitCode;
    },
  };
}
