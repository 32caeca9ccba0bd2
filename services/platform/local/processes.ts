import { type ChildProcess, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSameProcessAlive, processStart } from './file-lock.mjs';

export type RecordedProcess = { pid: number; start?: string | undefined };

/** A process, identified by pid and start time, so that a later process with the same pid is not mistaken for it. */
export const recordProcess = (pid: number): RecordedProcess => ({ pid, start: processStart(pid) });

/** Waits until the process has ended; false if it still runs after `timeoutMs`. */
export async function waitForExit(process: RecordedProcess, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isSameProcessAlive(process)) {
    if (performance.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

/** How a child ended: why it did not start, its signal or its exit code; undefined while it runs. */
export function endingOf(child: ChildProcess): () => string | undefined {
  let ending: string | undefined;
  child.once('error', (err) => {
    ending = err.message;
  });
  child.once('exit', (code, signal) => {
    ending = `exit ${signal ?? code}`;
  });
  return () => ending;
}

/** Sends a signal; a process that is already gone is no error. A negative pid names a process group. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ESRCH') throw err;
  }
}

/** Sends the signals one after another, each with its time to end, and SIGKILL last. */
export async function stopProcess(target: RecordedProcess, steps: readonly [NodeJS.Signals, number][]): Promise<void> {
  for (const [signal, waitMs] of steps) {
    if (!isSameProcessAlive(target)) return;
    sendSignal(target.pid, signal);
    if (await waitForExit(target, waitMs)) return;
  }
  if (isSameProcessAlive(target)) sendSignal(target.pid, 'SIGKILL');
  await waitForExit(target, 2_000);
}

/** The command line of a process, or an empty text. */
export function commandOf(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '';
  } catch {
    return '';
  }
}

/** The program of a process: the first word of its command line, or its own title; else an empty text. */
export function programOf(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0', 1)[0] as string;
    return commandOf(pid);
  } catch {
    return '';
  }
}

/** The last start of a local server. */
export type ServerState = RecordedProcess & { port: number };

export function readState(path: string): ServerState | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ServerState;
  } catch {
    return undefined;
  }
}

export function writeState(path: string, state: ServerState): void {
  writeFileSync(path, JSON.stringify(state), { mode: 0o600 });
}
