import { countEvents } from '#services/core/audit/read/count-events.ts';
import { countLockedAccounts } from '#services/core/identity/sign-in/sign-in-status.ts';
import type { Ports } from '#services/core/ports.ts';
import { readTokenStatistics } from '#services/core/tokens/metadata/read-token-statistics.ts';
import { COUNTED_TYPES } from './counted-events.ts';
import {
  addEventHours,
  lockCountedSeq,
  readTokensAgeSeconds,
  setCountedSeq,
  setLockedAccounts,
  setTokenCounts,
} from './event-hours.store.ts';

/** Counting token families reads all of them, so it is not done in every run. */
const TOKENS_EVERY_SECONDS = 25;

/**
 * Counts the events that were sealed since the last run by hour, type and outcome, each once: counts and position commit
 * together. The first run begins at the end of the log. A request does nothing for this: its audit event exists anyway.
 * Locked accounts and, if the last count is older, token families are counted first, and stored with the last batch.
 */
export async function countEventHours(
  ports: Pick<Ports, 'sql' | 'transact'>,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const lockedAccounts = await countLockedAccounts(ports);
  const tokensAgeSeconds = await readTokensAgeSeconds(ports.sql);
  const isOld = tokensAgeSeconds === null || tokensAgeSeconds > TOKENS_EVERY_SECONDS;
  const tokens = isOld ? await readTokenStatistics(ports) : undefined;
  for (let isMore = true; isMore && !signal.aborted; )
    isMore = await ports.transact(async (tx) => {
      const counted = await countEvents({ sql: tx }, COUNTED_TYPES, await lockCountedSeq(tx));
      if (counted.counts.length > 0) await addEventHours(tx, counted.counts);
      await setCountedSeq(tx, counted.reachedSeq, !counted.isMore);
      if (counted.isMore) return true;
      await setLockedAccounts(tx, lockedAccounts);
      if (tokens !== undefined) await setTokenCounts(tx, tokens);
      return false;
    });
}
