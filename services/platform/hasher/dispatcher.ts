import { backoffMs, ownBackoff } from '../process/backoff.ts';
import { HasherBusyError, type HasherBusyReason, HasherFailedError } from './errors.ts';
import { createFairQueue, type Place } from './fair-queue.ts';
import type { HashReply, HashRequest, ReadyMessage } from './protocol.ts';
import type { HashingWorker, StartWorker, WorkerEnd } from './worker-process.ts';

/** Clock of the queue; tests replace it. */
export type HasherClock = {
  /** Monotonic. */
  nowMs(): number;
  /** Runs `act` once, later; the returned function cancels it. */
  after(delayMs: number, act: () => void): () => void;
};

export const systemHasherClock: HasherClock = {
  nowMs: () => performance.now(),
  after: (delayMs, act) => {
    const timer = setTimeout(act, delayMs);
    return () => clearTimeout(timer);
  },
};

export type Admission = Place & {
  /** Aborted when the client disconnects: a waiting job is dropped; the result of a running one is ignored. */
  readonly signal?: AbortSignal | undefined;
};

/** How a run in a child ended; `lost` means that the child died during it. */
export type HashOutcome = 'hashed' | 'matched' | 'mismatched' | 'failed' | 'lost';

export type ChildEvent =
  | { readonly kind: 'started'; readonly pid: number | undefined }
  | ({ readonly kind: 'ended'; readonly pid: number | undefined } & WorkerEnd);

export type DispatcherOptions = {
  readonly workers: number;
  readonly capacity: number;
  readonly reservedForKnown: number;
  readonly maxWaitMs: number;
  /** How much longer a job waits as long as no child has ever been ready: the first one is started by the first job. */
  readonly firstStartMs: number;
  /** A child that runs one job for this long is killed. */
  readonly stuckAfterMs: number;
  readonly clock: HasherClock;
  readonly startWorker: StartWorker;
  readonly onQueueWait?: ((seconds: number) => void) | undefined;
  /** `processorSeconds` is 0 for a run whose child died. */
  readonly onHash?: ((seconds: number, outcome: HashOutcome, processorSeconds: number) => void) | undefined;
  readonly onChild?: ((event: ChildEvent) => void) | undefined;
};

export type FinishedReply = Exclude<HashReply, { kind: 'failed' }>;

export type Dispatcher = {
  submit(request: HashRequest, admission: Admission): Promise<FinishedReply>;
  /** The error with which a job of this place would be refused now, if any. */
  refusalOf(place: Place): HasherBusyError | undefined;
  /** Sees to it that so many children are started, as far as there are places; resolves once one is ready. */
  start(children: number): Promise<void>;
  counts(): { queued: number; running: number };
  close(): Promise<void>;
};

type Job = Place & {
  readonly request: HashRequest;
  readonly settle: PromiseWithResolvers<FinishedReply>;
  readonly signal: AbortSignal | undefined;
  stopWaiting: () => void;
  waitingSinceMs: number;
  lostChildren: number;
};

type Slot = {
  /** Whether it has had a child: from then on, one that ends is replaced. */
  isOpen: boolean;
  worker: HashingWorker | undefined;
  ready: boolean;
  job: Job | undefined;
  startedJobMs: number;
  failedStarts: number;
  cancelTimer: () => void;
};

const NEWEST_WEIGHT = 0.2;
const nothing = (): void => {};

/**
 * Moves jobs from the bounded queue to the workers, starts one for a job that would wait, replaces those that end, and
 * estimates the waiting time.
 */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { clock } = options;
  let hasBeenReady = false;
  const longestWaitMs = (): number => options.maxWaitMs + (hasBeenReady ? 0 : options.firstStartMs);
  const waiting = createWaitingRoom(options, longestWaitMs, drop);
  const slots = Array.from({ length: options.workers }, emptySlot);
  const firstReady = Promise.withResolvers<void>();
  const allEnded = Promise.withResolvers<void>();
  const estimate = createEstimate();
  let closing = false;
  firstReady.promise.catch(nothing); // Prevents an unhandled rejection when it closes before a child is ready.

  function submit(request: HashRequest, admission: Admission): Promise<FinishedReply> {
    const { clientPrefix, knownDevice, signal } = admission;
    if (closing) return Promise.reject(busy('closing'));
    if (signal?.aborted) return Promise.reject(busy('client_left'));
    const job: Job = {
      clientPrefix,
      knownDevice,
      request,
      settle: Promise.withResolvers<FinishedReply>(),
      signal,
      stopWaiting: nothing,
      waitingSinceMs: clock.nowMs(),
      lostChildren: 0,
    };
    if (waiting.admit(job)) pump();
    return job.settle.promise;
  }

  const refusalOf = (place: Place): HasherBusyError | undefined =>
    waiting.hasSeatFor(place) ? undefined : busy('full');

  function drop(job: Job, reason: HasherBusyReason): void {
    job.stopWaiting();
    job.settle.reject(busy(reason));
  }

  function busy(reason: HasherBusyReason): HasherBusyError {
    const { queued, running } = counts();
    return new HasherBusyError(reason, estimate.secondsFor(queued + running, options.workers));
  }

  function pump(): void {
    for (const slot of slots) {
      if (!slot.worker || !slot.ready || slot.job) continue;
      const job = waiting.next();
      if (!job) return;
      run(slot, slot.worker, job);
    }
    const starting = slots.filter(({ isOpen, ready }) => isOpen && !ready).length;
    open(waiting.size() - starting);
  }

  function open(children: number): void {
    for (const slot of slots.filter(({ isOpen }) => !isOpen).slice(0, Math.max(0, children))) startWorker(slot);
  }

  function run(slot: Slot, worker: HashingWorker, job: Job): void {
    slot.job = job;
    slot.startedJobMs = clock.nowMs();
    slot.cancelTimer = clock.after(options.stuckAfterMs, () => worker.kill());
    options.onQueueWait?.((slot.startedJobMs - job.waitingSinceMs) / 1000);
    worker.send(job.request);
  }

  function finish(slot: Slot, outcome: HashOutcome, processorSeconds = 0): number {
    const seconds = (clock.nowMs() - slot.startedJobMs) / 1000;
    slot.cancelTimer();
    slot.job = undefined;
    options.onHash?.(seconds, outcome, processorSeconds);
    return seconds;
  }

  function startWorker(slot: Slot): void {
    slot.isOpen = true;
    const onReady = (message: ReadyMessage): void => {
      slot.ready = true;
      slot.failedStarts = 0;
      hasBeenReady = true;
      firstReady.resolve();
      estimate.learn(message.hashSeconds);
      pump();
    };
    const onReply = (reply: HashReply): void => {
      const job = slot.job;
      if (!job) return;
      const seconds = finish(slot, outcomeOf(reply), reply.processorSeconds);
      if (reply.kind === 'failed') {
        job.settle.reject(new HasherFailedError('password hashing failed in its child process'));
      } else {
        estimate.learn(seconds);
        job.settle.resolve(reply);
      }
      if (closing) slot.worker?.stop();
      pump();
    };
    let pid: number | undefined;
    const onEnd = (end: WorkerEnd): void => {
      options.onChild?.({ kind: 'ended', pid, ...end });
      if (!slot.ready) slot.failedStarts += 1;
      slot.worker = undefined;
      slot.ready = false;
      if (slot.job) retryLost(slot, slot.job);
      if (closing) settleClose();
      else slot.cancelTimer = clock.after(restartDelayMs(slot.failedStarts), () => startWorker(slot));
      pump();
    };
    try {
      slot.worker = options.startWorker({ onReady, onReply, onEnd });
      pid = slot.worker.pid;
      options.onChild?.({ kind: 'started', pid });
    } catch {
      onEnd({ code: null, signal: null }); // The system cannot start a process now; a later attempt may succeed.
    }
  }

  function retryLost(slot: Slot, job: Job): void {
    finish(slot, 'lost');
    job.lostChildren += 1;
    if (closing) drop(job, 'closing');
    else if (job.signal?.aborted) drop(job, 'client_left');
    else if (job.lostChildren > 1) job.settle.reject(new HasherFailedError('two children died hashing one password'));
    else waiting.readmit(job);
  }

  function counts(): { queued: number; running: number } {
    return { queued: waiting.size(), running: slots.filter((slot) => slot.job).length };
  }

  function close(): Promise<void> {
    if (!closing) {
      closing = true;
      firstReady.reject(busy('closing'));
      for (const job of waiting.drain()) drop(job, 'closing');
      for (const slot of slots) {
        if (slot.job) continue; // A busy worker is stopped after its answer.
        slot.cancelTimer();
        slot.worker?.stop();
      }
      settleClose();
    }
    return allEnded.promise;
  }

  function settleClose(): void {
    if (slots.every((slot) => !slot.worker)) allEnded.resolve();
  }

  const start = (children: number): Promise<void> => {
    if (!closing) open(children - slots.filter(({ isOpen }) => isOpen).length);
    return firstReady.promise;
  };

  return { submit, refusalOf, start, counts, close };
}

/** Jobs that no child runs. Drops those that wait too long, or whose client disconnects. */
function createWaitingRoom(
  { clock, capacity, reservedForKnown }: DispatcherOptions,
  longestWaitMs: () => number,
  drop: (job: Job, reason: HasherBusyReason) => void,
) {
  const queue = createFairQueue<Job>(capacity, reservedForKnown);
  const retries: Job[] = []; // At most one per worker; served first, because they have already run once.

  function startWaiting(job: Job): void {
    job.waitingSinceMs = clock.nowMs();
    const cancelTimer = clock.after(longestWaitMs(), () => dropWaiting(job, 'waited_too_long'));
    const onAbort = (): void => dropWaiting(job, 'client_left');
    job.signal?.addEventListener('abort', onAbort);
    job.stopWaiting = () => {
      cancelTimer();
      job.signal?.removeEventListener('abort', onAbort);
    };
  }

  function dropWaiting(job: Job, reason: HasherBusyReason): void {
    queue.remove(job);
    const index = retries.indexOf(job);
    if (index !== -1) retries.splice(index, 1);
    drop(job, reason);
  }

  return {
    size: (): number => queue.size + retries.length,
    hasSeatFor: queue.hasSeatFor,
    /** False if the job gets no place, and is dropped; its place may also cost another job its own. */
    admit: (job: Job): boolean => {
      const withoutPlace = queue.offer(job);
      if (withoutPlace) drop(withoutPlace, 'full');
      if (withoutPlace === job) return false;
      startWaiting(job);
      return true;
    },
    /** Takes a job back whose child died. */
    readmit: (job: Job): void => {
      startWaiting(job);
      retries.push(job);
    },
    next: (): Job | undefined => {
      const job = retries.shift() ?? queue.take();
      job?.stopWaiting();
      return job;
    },
    drain: (): Job[] => [...retries.splice(0), ...queue.drain()],
  };
}

/** How long a hash takes, the newest runs counting most. */
function createEstimate() {
  let meanSeconds: number | undefined;
  return {
    learn: (seconds: number): void => {
      meanSeconds = (meanSeconds ?? seconds) * (1 - NEWEST_WEIGHT) + seconds * NEWEST_WEIGHT;
    },
    /** Whole seconds until the children have made so many hashes, at least one. */
    secondsFor: (hashes: number, children: number): number =>
      Math.max(1, Math.ceil((hashes * (meanSeconds ?? 0)) / children)),
  };
}

const emptySlot = (): Slot => ({
  isOpen: false,
  worker: undefined,
  ready: false,
  job: undefined,
  startedJobMs: 0,
  failedStarts: 0,
  cancelTimer: nothing,
});

const restartDelayMs = (failedStarts: number): number => (failedStarts === 0 ? 0 : backoffMs(ownBackoff, failedStarts));

function outcomeOf(reply: HashReply): HashOutcome {
  if (reply.kind === 'verified') return reply.matches ? 'matched' : 'mismatched';
  return reply.kind;
}
