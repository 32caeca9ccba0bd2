import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Log, RsaSigner } from '../../domain/ports.ts';
import { backoffMs, ownBackoff } from '../process/backoff.ts';
import type { FromSigner, ToSigner } from './protocol.ts';

export type SigningThreads = RsaSigner & {
  /** After the last request. */
  close(): Promise<void>;
};

export type SigningThreadsOptions = {
  readonly log: Log;
  readonly threads?: number;
  readonly entry?: URL;
};

/** More only take turns with the thread that waits for them. */
const THREADS_MAX = 4;
/** Some five milliseconds of signatures: what is longer makes the first of a batch wait for its last. */
const MAX_BATCH = 16;

type Signer = {
  readonly thread: Worker;
  settle: PromiseWithResolvers<readonly string[]> | undefined;
};

/**
 * Threads that sign for this one, as many as there are processors and four at most. A batch is one message there and
 * one back: a thread that answers requests is woken once for many signatures, not once for each. One that dies, or
 * cannot be had, is started again; what it had in hand is rejected.
 */
export function startSigningThreads(options: SigningThreadsOptions): SigningThreads {
  const { log, threads = Math.min(availableParallelism(), THREADS_MAX) } = options;
  const entry = options.entry ?? new URL('./thread.ts', import.meta.url);
  const running = new Set<Worker>();
  let idle: Signer[] = [];
  let failedStarts = 0;
  let isClosed = false;

  function startLater(): void {
    failedStarts += 1;
    setTimeout(() => isClosed || start(), backoffMs(ownBackoff, failedStarts)).unref();
  }

  function onMessage(signer: Signer, message: FromSigner): void {
    const { settle } = signer;
    signer.settle = undefined;
    idle.push(signer);
    if (message === 'ready') return;
    failedStarts = 0;
    if (message === null) {
      log.error({}, 'a key signs nothing');
      settle?.reject(new Error('the key signs nothing'));
    } else settle?.resolve(message);
  }

  function onExit(signer: Signer): void {
    running.delete(signer.thread);
    idle = idle.filter((other) => other !== signer);
    signer.settle?.reject(new Error('the thread that signed has ended'));
    startLater();
  }

  function start(): void {
    try {
      const signer: Signer = { thread: new Worker(entry, { name: 'signer' }), settle: undefined };
      running.add(signer.thread);
      signer.thread.on('message', (message: FromSigner) => onMessage(signer, message));
      signer.thread.on('error', (err) => log.error({ err }, 'a thread that signs failed'));
      signer.thread.on('exit', () => onExit(signer));
    } catch (err) {
      // The system gives no thread: this one goes on.
      log.error({ err }, 'a thread that signs could not be started');
      startLater();
    }
  }

  for (let count = 0; count < threads; count += 1) start();
  return {
    lanes: threads,
    maxBatch: MAX_BATCH,
    async sign(inputs, key) {
      // The one that worked last: its caches are warm.
      const signer = idle.at(-1);
      if (signer === undefined) throw new Error('no thread is there to sign');
      signer.thread.postMessage({ key, inputs } satisfies ToSigner);
      idle.pop();
      signer.settle = Promise.withResolvers();
      return signer.settle.promise;
    },
    close: async () => {
      isClosed = true;
      await Promise.all([...running].map((thread) => thread.terminate()));
    },
  };
}
