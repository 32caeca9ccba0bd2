import { fork } from 'node:child_process';
import { getPriority, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { giveWay } from './give-way.ts';
import type { FromChild, HashReply, HashRequest, ReadyMessage, ToChild } from './protocol.ts';
import type { HashAlgorithm } from './schemes.ts';

/** One worker that does one request at a time, for one life: a lane that ended is replaced, never revived. */
export interface Lane {
  readonly pid: number | undefined;
  send(request: HashRequest): void;
  /** Asks it to end after the request in hand. */
  stop(): void;
  /** Ends it at once. */
  kill(): void;
}

export interface LaneEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface LaneEvents {
  onReady(message: ReadyMessage): void;
  onReply(reply: HashReply): void;
  /** Comes exactly once, and nothing after it. */
  onEnd(end: LaneEnd): void;
}

export type StartLane = (events: LaneEvents) => Lane;

const lowestPriority = 19;
/** A hash takes a quarter of a second where it may run, twice as long and more where others run most of the time. */
const starvingMs = 2_000;
const childPath = fileURLToPath(new URL('./child.ts', import.meta.url));

/**
 * Lanes that are child processes at the lowest OS priority.
 * @param pepper key of the pre-hash, sent over IPC so that no environment or argument list shows it
 * @param stopGraceMs how long a child asked to stop may take before it is killed
 */
export function childLanes(pepper: Uint8Array, stopGraceMs = 5_000, algorithm: HashAlgorithm = 'bcrypt'): StartLane {
  const init = { kind: 'init', pepperBase64: Buffer.from(pepper).toString('base64'), algorithm } as const;
  return (events) => startChildLane(init, stopGraceMs, events);
}

function startChildLane(init: ToChild, stopGraceMs: number, events: LaneEvents): Lane {
  // Never detached: without a group of its own its policy counts only among processes of one session.
  const child = fork(childPath, [], {
    env: {},
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let ended = false;
  let stopTimer: NodeJS.Timeout | undefined;
  let starvingTimer: NodeJS.Timeout | undefined;
  let givesWay = false;

  const giveWayAgain = (pid: number): void => {
    clearTimeout(starvingTimer);
    if (givesWay) return;
    givesWay = true;
    giveWay.start(pid);
  };
  const endWaiting = (pid: number): void => {
    givesWay = false;
    giveWay.stop(pid);
  };
  const end = (detail: LaneEnd): void => {
    if (ended) return;
    ended = true;
    clearTimeout(stopTimer);
    clearTimeout(starvingTimer);
    events.onEnd(detail);
  };
  // A message to a child that just died fails here; its end is reported by 'exit'.
  const send = (message: ToChild): void => {
    child.send(message, undefined, {}, () => {});
  };

  child.on('exit', (code, signal) => end({ code, signal }));
  child.on('error', () => {
    if (child.pid === undefined) end({ code: null, signal: null });
  });
  child.on('message', (message: FromChild) => {
    if (ended) return;
    // Not before: where a busy machine lets it never run, it would never be ready.
    giveWayAgain(child.pid!);
    if (message.kind === 'ready') events.onReady(message);
    else events.onReply(message);
  });

  if (child.pid !== undefined) {
    if (!holdsLowestPriority(child.pid)) child.kill('SIGKILL');
    send(init);
  }

  return {
    pid: child.pid,
    send: (request) => {
      starvingTimer = setTimeout(endWaiting, starvingMs, child.pid!);
      send(request);
    },
    stop: () => {
      if (child.connected) child.disconnect();
      stopTimer ??= setTimeout(() => child.kill('SIGKILL'), stopGraceMs);
    },
    kill: () => {
      child.kill('SIGKILL');
    },
  };
}

// Set from here and before the child has run a line, so that the threads it makes inherit it.
function holdsLowestPriority(pid: number): boolean {
  try {
    setPriority(pid, lowestPriority);
    return getPriority(pid) === lowestPriority;
  } catch {
    return false; // It died already, or the system forbids it: hashing at the API's own priority is not an option.
  }
}
