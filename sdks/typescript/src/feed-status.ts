import { ApiUnavailable } from './bounded-fetch.ts';
import type { VerifierCode } from './codes.ts';
import { LOGS } from './generated/contract.ts';
import type { KeyStore } from './key-store.ts';
import type { Settings } from './options.ts';

/** How the last reads of the feed went. Each change is one line of the log, however often the feed is read. */
export type FeedStatus = {
  /** After each read: whether the revocations may still be relied on, and why the read failed. */
  update(areRevocationsFresh: boolean, error?: Error): void;
  /** What tokens are answered with while keys or revocations are stale. */
  staleCode(areKeysFresh: boolean): VerifierCode;
};

/** The API answered, and does not accept the client: its secret is wrong, or it lacks the permission. */
const isRefusal = (error: Error | undefined): boolean =>
  error instanceof ApiUnavailable && (error.status === 401 || error.status === 403);

export function createFeedStatus({ log }: Settings, keys: KeyStore): FeedStatus {
  let known: keyof typeof LOGS = 'back';

  const staleCode = (areKeysFresh: boolean): VerifierCode => {
    if (!areKeysFresh) return 'key_ring_behind';
    return known === 'refused' ? 'client_refused' : 'revocation_state_stale';
  };

  function statusAfter(isFresh: boolean, error: Error | undefined): keyof typeof LOGS {
    if (isRefusal(error)) return 'refused';
    if (isFresh) return error === undefined ? 'back' : known;
    // An API that cannot be reached says nothing new about the client.
    return known === 'refused' ? known : 'stale';
  }

  return {
    staleCode,
    update(areRevocationsFresh, error) {
      const areKeysFresh = keys.isFresh();
      const next = statusAfter(areKeysFresh && areRevocationsFresh, error);
      if (next === known) return;
      known = next;
      const failure = (areKeysFresh ? undefined : keys.failure()) ?? error;
      const reason = failure?.message ?? 'nothing new was read';
      log(LOGS[next].replace('{code}', staleCode(areKeysFresh)).replace('{reason}', () => reason));
    },
  };
}
