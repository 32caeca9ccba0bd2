import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BACKGROUND, lowerPriority } from '../process/priority.ts';
import type { FromChild, HashReply, HashRequest, ReadyMessage, ToChild } from './protocol.ts';
import type { HashAlgorithm } from './schemes.ts';

/** One hashing worker: handles one request at a time; one that ended is replaced, never restarted. */
export type HashingWorker = {
  readonly pid: number | undefined;
  send(request: HashRequest): void;
  /** Asks it to end after the current request. */
  stop(): void;
  kill(): void;
};

export type WorkerEnd = { readonly code: number | null; readonly signal: string | null };

export type WorkerEvents = {
  onReady(message: ReadyMessage): void;
  onReply(reply: HashReply): void;
  /** Called exactly once, as the last event. */
  onEnd(end: WorkerEnd): void;
};

export type StartWorker = (events: WorkerEvents) => HashingWorker;

const childPath = fileURLToPath(new URL('./child.ts', import.meta.url));

/**
 * Workers that are child processes of low OS priority.
 * @param pepper key of the pre-hash, sent over IPC so that no environment or argument list shows it
 * @param stopGraceMs how long a child asked to stop may take before it is killed
 */
export function hashingWorkers(
  pepper: Uint8Array,
  stopGraceMs = 5_000,
  algorithm: HashAlgorithm = 'bcrypt',
): StartWorker {
  const init = { kind: 'init', pepperBase64: Buffer.from(pepper).toString('base64'), algorithm } as const;
  return (events) => startChildWorker(init, stopGraceMs, events);
}

function startChildWorker(init: ToChild, stopGraceMs: number, events: WorkerEvents): HashingWorker {
  // Not detached: Linux may divide the processor by session first, and then a priority counts only within its session.
  const child = fork(childPath, [], { env: {}, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  let ended = false;
  let stopTimer: NodeJS.Timeout | undefined;

  const end = (detail: WorkerEnd): void => {
    if (ended) return;
    ended = true;
    clearTimeout(stopTimer);
    events.onEnd(detail);
  };
  // A message to a child that has just died fails here; the 'exit' event reports its end.
  const send = (message: ToChild): void => {
    child.send(message, undefined, {}, () => {});
  };

  child.on('exit', (code, signal) => end({ code, signal }));
  child.on('error', () => {
    if (child.pid === undefined) end({ code: null, signal: null });
  });
  child.on('message', (message: FromChild) => {
    if (ended) return;
    if (message.kind === 'ready') events.onReady(message);
    else events.onReply(message);
  });

  if (child.pid !== undefined) {
    // Set before the child has run any code, so that its threads inherit the priority.
    lowerPriority(child.pid, BACKGROUND);
    send(init);
  }

  return {
    pid: child.pid,
    send,
    stop: () => {
      if (child.connected) child.disconnect();
      stopTimer ??= setTimeout(() => child.kill('SIGKILL'), stopGraceMs);
    },
    kill: () => {
      child.kill('SIGKILL');
    },
  };
}
