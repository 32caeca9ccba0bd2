import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';

const running = new Set<ChildProcess>();
let isStopping = false;

/** Starts a program that ends with this one: at a signal, and also if this one is killed, as `temporary-folder` sees. */
export function startChild(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const env = { ...(options.env ?? process.env), TEST_RUNNER_PID: String(process.pid) };
  const child = spawn(command, args, { ...options, env });
  running.add(child);
  child.once('exit', () => running.delete(child)).once('error', () => running.delete(child));
  // Started by a step that went on after the signal.
  if (isStopping) child.kill('SIGTERM');
  return child;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, async () => {
    isStopping = true;
    const ended = [...running].map((child) => once(child, 'exit'));
    for (const child of running) child.kill('SIGTERM');
    await Promise.allSettled(ended);
    process.exit(128 + constants.signals[signal]);
  });
