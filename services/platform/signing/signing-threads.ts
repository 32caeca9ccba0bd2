import type { KeyObject } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Log, RsaSigner } from '../../domain/ports.ts';
import type { FromSigner, ToSigner } from './protocol.ts';

export type SigningThreads = RsaSigner & {
  /** After the last request. */
  close(): Promise<void>;
};

export type SigningThreadsOptions = {
  readonly log: Log;
  readonly threads?: number;
  readonly entry?: URL;
  readonly restartMs?: number;
};

/** More only take turns with the thread that waits for them. */
const THREADS_MAX = 4;
/** Some five milliseconds of signatures: what is longer makes the first of a batch wait for its last. */
const MAX_BATCH = 16;
const RESTART_MS = 1_000;

type Lane = {
  readonly thread: Worker;
  /** Held by the thread since its last message. */
  key: KeyObject | undefined;
  settle: PromiseWithResolvers<readonly string[]> | undefined;
};

/**
 * Threads that sign for this one, as many as there are processors and four at most. A batch is one message there and
 * one back: a thread that answers requests is woken once for many signatures, not once for each. One that dies is
 * started again; what it had in hand is rejected.
 */
export function startSigningThreads(options: SigningThreadsOptions): SigningThreads {
  const { log, threads = Math.min(availableParallelism(), THREADS_MAX), restartMs = RESTART_MS } = options;
  const entry = options.entry ?? new URL('./thread.ts', import.meta.url);
  const running = new Set<Worker>();
  let idle: Lane[] = [];
  let isClosed = false;

  function onAnswer(lane: Lane, answer: FromSigner): void {
    const { settle } = lane;
    lane.settle = undefined;
    lane.thread.unref();
    idle.push(lane);
    if (answer === null) settle?.reject(new Error('the key signs nothing'));
    else settle?.resolve(answer);
  }

  function onExit(lane: Lane): void {
    running.delete(lane.thread);
    idle = idle.filter((other) => other !== lane);
    lane.settle?.reject(new Error('the thread that signed has ended'));
    if (!isClosed) setTimeout(() => isClosed || start(), restartMs).unref();
  }

  function start(): void {
    const thread = new Worker(entry, { name: 'signer' });
    const lane: Lane = { thread, key: undefined, settle: undefined };
    thread.on('message', (answer: FromSigner) => onAnswer(lane, answer));
    thread.on('error', (err) => log.error({ err }, 'a thread that signs failed'));
    thread.on('exit', () => onExit(lane));
    thread.unref();
    running.add(thread);
    idle.push(lane);
  }

  for (let count = 0; count < threads; count += 1) start();
  return {
    lanes: threads,
    maxBatch: MAX_BATCH,
    sign(inputs, key) {
      // The one that worked last: its caches are warm.
      const lane = idle.pop();
      if (lane === undefined) return Promise.reject(new Error('no thread is there to sign'));
      lane.settle = Promise.withResolvers();
      const message: ToSigner = lane.key === key ? { inputs } : { key, inputs };
      lane.key = key;
      // A process does not end while somebody waits for a signature.
      lane.thread.ref();
      lane.thread.postMessage(message);
      return lane.settle.promise;
    },
    close: async () => {
      isClosed = true;
      await Promise.all([...running].map((thread) => thread.terminate()));
    },
  };
}
