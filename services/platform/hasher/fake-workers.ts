import type { HasherClock } from './dispatcher.ts';
import type { HashRequest, HashResult } from './protocol.ts';
import type { HashingWorker, StartWorker, WorkerEvents } from './worker-process.ts';

/** For tests: a clock that the test advances. */
export type FakeClock = HasherClock & { advance(ms: number): void; readonly pendingTimers: number };

export function createFakeClock(): FakeClock {
  let nowMs = 0;
  const timers = new Set<{ atMs: number; act: () => void }>();
  return {
    nowMs: () => nowMs,
    after(delayMs, act) {
      const timer = { atMs: nowMs + delayMs, act };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      const nextDue = () => [...timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      for (let due = nextDue(); due; due = nextDue()) {
        timers.delete(due);
        nowMs = due.atMs;
        due.act();
      }
      nowMs = untilMs;
    },
    get pendingTimers() {
      return timers.size;
    },
  };
}

/** For tests: a worker whose replies the test sends. */
export type FakeWorker = HashingWorker & {
  readonly requests: HashRequest[];
  readonly stops: number;
  readonly kills: number;
  ready(hashSeconds?: number): void;
  reply(result: HashResult, processorSeconds?: number): void;
  end(): void;
};

export function createFakeWorkers(): { readonly workers: FakeWorker[]; readonly startWorker: StartWorker } {
  const workers: FakeWorker[] = [];
  return {
    workers,
    startWorker: (events) => {
      const worker = fakeWorker(workers.length + 1, events);
      workers.push(worker);
      return worker;
    },
  };
}

function fakeWorker(pid: number, events: WorkerEvents): FakeWorker {
  const requests: HashRequest[] = [];
  let stops = 0;
  let kills = 0;
  return {
    pid,
    requests,
    get stops() {
      return stops;
    },
    get kills() {
      return kills;
    },
    send: (request) => requests.push(request),
    stop: () => {
      stops += 1;
    },
    kill: () => {
      kills += 1;
    },
    ready: (hashSeconds = 0.25) => events.onReady({ kind: 'ready', hashSeconds }),
    reply: (result, processorSeconds = 0.25) => events.onReply({ ...result, processorSeconds }),
    end: () => events.onEnd({ code: null, signal: 'SIGKILL' }),
  };
}
