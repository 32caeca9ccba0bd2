import { Worker } from 'node:worker_threads';
import { currentRequestTrace } from '#observability/http-span.ts';
import { createJoined } from '#observability/metrics/joined.ts';
import { loginUnavailable } from '#services/domain/identity/errors.ts';
import type { Log } from '#services/domain/ports.ts';
import { backoffMs, ownBackoff } from '#services/platform/process/backoff.ts';
import { fatalOf } from '#services/platform/process/fatal.ts';
import { type People, peopleBy, type WorkOn } from './people.ts';
import { errorOf, type FromThread, sentCaller, type ToThread } from './protocol.ts';

export type PeopleThread = People & {
  /** Resolves when the first thread works; rejects when it ended before. */
  ready(): Promise<void>;
  /** Resolves when the process's metrics hold what the thread has counted so far, or it does not answer. */
  count(): Promise<void>;
  /** After the last request: the thread ends by itself, or is ended. */
  close(): Promise<void>;
};

export type PeopleThreadDeps = {
  readonly log: Log;
  /** Resolves once this thread, too, has read the revocations up to an epoch that a login may have written. */
  readonly caughtUp: (epoch: number) => Promise<void>;
  /**
   * Throws while nothing may be issued (`state_rewound`). Asked before a call leaves and before its answer does: the
   * thread looks at the marks by its own clock.
   */
  readonly assertIssuing: () => void;
  /** Called when a mail was asked for. */
  readonly onMail?: () => void;
  readonly entry?: URL;
  /** What the thread is configured by; the environment of the process unless given. */
  readonly env?: NodeJS.ProcessEnv;
};

type Waiting = {
  readonly settle: PromiseWithResolvers<unknown>;
  readonly end: () => void;
};

const closeMs = 3_000;
const countMs = 250;

/**
 * Logins and what else costs Better Auth's time, in a thread of its own, with connections, caches and heap of its own:
 * what they cost delays no other request of the process. A thread that dies, or cannot be had, is started again; what
 * it had in hand is answered 503.
 */
export function startPeopleThread(deps: PeopleThreadDeps): PeopleThread {
  const waiting = new Map<number, Waiting>();
  const metrics = createJoined();
  const counting: (() => void)[] = [];
  const firstReady = Promise.withResolvers<void>();
  firstReady.promise.catch(() => {});
  let thread: Worker | undefined;
  let isReady = false;
  let wasReady = false;
  let failedStarts = 0;
  let nextId = 0;
  let closing: Promise<void> | undefined;
  let ended = Promise.withResolvers<void>();
  let lastError: unknown;

  function start(): void {
    ended = Promise.withResolvers<void>();
    try {
      thread = new Worker(deps.entry ?? new URL('./thread.ts', import.meta.url), {
        name: 'people',
        env: deps.env ?? process.env,
      });
    } catch (err) {
      // The system gives no thread: the rest of the process goes on.
      deps.log.error({ err }, 'the thread of logins could not be started');
      onExit();
      return;
    }
    thread.on('message', onMessage);
    thread.on('error', (err) => {
      lastError = err;
      deps.log.error({ err }, 'the thread of logins failed');
    });
    thread.on('exit', onExit);
  }

  function onMessage(message: FromThread): void {
    if (message.kind === 'ready') {
      isReady = true;
      wasReady = true;
      failedStarts = 0;
      firstReady.resolve();
    } else if (message.kind === 'mail') deps.onMail?.();
    else if (message.kind === 'metrics') {
      metrics.show(message.metrics);
      for (const resolve of counting.splice(0)) resolve();
    } else void answer(message);
  }

  async function answer(message: Extract<FromThread, { id: number }>): Promise<void> {
    const call = waiting.get(message.id);
    if (call === undefined) return;
    waiting.delete(message.id);
    call.end();
    try {
      await deps.caughtUp(message.epoch);
      if (message.kind === 'failed') throw errorOf(message.error);
      deps.assertIssuing();
      call.settle.resolve(message.answer);
    } catch (err) {
      call.settle.reject(err);
    }
  }

  function onExit(): void {
    thread = undefined;
    isReady = false;
    metrics.keep();
    ended.resolve();
    for (const call of waiting.values()) {
      call.end();
      call.settle.reject(loginUnavailable({ retryAfterSeconds: 1 }));
    }
    waiting.clear();
    if (closing) return;
    if (!wasReady) {
      const told = fatalOf(lastError).code === 'start_failed' ? undefined : lastError;
      firstReady.reject(told ?? new Error('the thread of logins ended before it was ready'));
    }
    failedStarts += 1;
    setTimeout(() => closing ?? start(), backoffMs(ownBackoff, failedStarts)).unref();
  }

  const workOn: WorkOn = async (name, sent, caller) => {
    deps.assertIssuing();
    const { signal, ...input } = sent as { readonly signal?: AbortSignal };
    if (thread === undefined || !isReady || closing) throw loginUnavailable({ retryAfterSeconds: 1 });
    const trace = currentRequestTrace();
    if (trace !== undefined) trace.writesAudit = true;
    const id = nextId++;
    const post = (message: ToThread): void => thread?.postMessage(message);
    const onAbort = (): void => post({ kind: 'abort', id });
    signal?.addEventListener('abort', onAbort);
    const settle = Promise.withResolvers<unknown>();
    waiting.set(id, { settle, end: () => signal?.removeEventListener('abort', onAbort) });
    post({ kind: 'call', id, name, input, caller: sentCaller(caller) });
    return settle.promise;
  };

  async function close(): Promise<void> {
    thread?.postMessage({ kind: 'close' } satisfies ToThread);
    const cut = setTimeout(() => void thread?.terminate(), closeMs);
    if (thread) await ended.promise;
    clearTimeout(cut);
  }

  start();
  return {
    ...peopleBy(workOn),
    ready: () => firstReady.promise,
    count: () =>
      new Promise((resolve) => {
        if (!isReady) return resolve();
        counting.push(resolve);
        setTimeout(resolve, countMs).unref();
        thread?.postMessage({ kind: 'count' } satisfies ToThread);
      }),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
