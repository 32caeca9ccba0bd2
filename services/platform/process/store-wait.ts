import { setTimeout as sleep } from 'node:timers/promises';
import { StartError } from '../local/errors.ts';
import { backoffMs } from './backoff.ts';
import { type OwnLog, type StoreName, type StoreVariable, troubleOf } from './store-trouble.ts';

export type StoreWait = {
  readonly store: StoreName;
  readonly url: string;
  /** The setting that holds the URL, or the log of the embedded server; DATABASE_URL or REDIS_URL by default. */
  readonly variable?: StoreVariable | OwnLog | undefined;
  /** Time from the first attempt to giving up. */
  readonly waitSeconds: number;
  /** Called with the reason for waiting whenever it changes. */
  readonly say: (text: string) => void;
  /** Returning false ends the wait. */
  readonly isWanted?: () => boolean;
  /** Timeout of one attempt, for the message. */
  readonly timeoutSeconds?: number;
};

const retry = { firstMs: 100, capMs: 2_000 };

/**
 * Runs work of a start on a store, and retries with back-off while the store is unreachable or slow. `work` must be safe to run
 * twice; an error that the store did not cause is thrown unchanged.
 *
 * @throws StartError `store_refused` or `store_tls` immediately if waiting would not help, `store_unreachable` at the deadline
 */
export async function waitForStore<T>(work: () => Promise<T>, wait: StoreWait): Promise<T> {
  const deadline = performance.now() + wait.waitSeconds * 1_000;
  let said = '';
  for (let failures = 1; ; failures += 1)
    try {
      return await work();
    } catch (err) {
      const trouble = troubleOf(wait.store, wait.url, err, wait.timeoutSeconds, wait.variable);
      if (!trouble) throw err;
      const { sentence, fix, mayPass, isTls } = trouble;
      if (!mayPass) throw new StartError(isTls ? 'store_tls' : 'store_refused', sentence, fix, { cause: err });
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || wait.isWanted?.() === false)
        throw new StartError('store_unreachable', `${sentence}; given up after ${wait.waitSeconds} s`, fix, {
          cause: err,
        });
      if (sentence !== said) wait.say(`${sentence}; retrying for up to ${wait.waitSeconds} s (fix: ${fix})`);
      said = sentence;
      await sleep(Math.min(backoffMs(retry, failures), leftMs));
    }
}
