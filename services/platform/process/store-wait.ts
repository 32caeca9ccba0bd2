import { setTimeout as sleep } from 'node:timers/promises';
import { StartError } from '../local/errors.ts';
import { backoffMs } from './backoff.ts';
import { type StoreName, troubleOf } from './store-trouble.ts';

export type StoreWait = {
  readonly store: StoreName;
  readonly url: string;
  /** From the first try to giving up. */
  readonly waitSeconds: number;
  /** Called with what the start waits for, whenever that changes. */
  readonly say: (text: string) => void;
  /** False ends the waiting. */
  readonly isWanted?: () => boolean;
  /** Of one try, to be named. */
  readonly timeoutSeconds?: number;
};

const retry = { firstMs: 100, capMs: 2_000 };

/**
 * Runs what a start needs of a store, again with back-off while the store is away or slow. `work` must be safe to run
 * twice; an error that is not the store's is thrown as it is.
 *
 * @throws StartError `store_refused` at once where waiting would not help, `store_unreachable` when time is up
 */
export async function waitForStore<T>(work: () => Promise<T>, wait: StoreWait): Promise<T> {
  const deadline = performance.now() + wait.waitSeconds * 1_000;
  let said = '';
  for (let failures = 1; ; failures += 1) {
    try {
      return await work();
    } catch (err) {
      const trouble = troubleOf(wait.store, wait.url, err, wait.timeoutSeconds);
      if (!trouble) throw err;
      const { sentence, fix, mayPass } = trouble;
      if (!mayPass) throw new StartError('store_refused', sentence, fix, { cause: err });
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
}
