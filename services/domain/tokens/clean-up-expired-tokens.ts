import type { Ports } from '../ports.ts';
import { deleteExpiredIdempotencyKeys } from './idempotency.store.ts';
import { deleteExpiredRevocations } from './revocations.store.ts';
import { deleteExpiredFamilies } from './token-statistics.store.ts';

export type CleanupResult = {
  /** Rows looked at: each was past its end. */
  readonly scanned: number;
  readonly removed: number;
  /** Kinds of rows that could not be cleaned up; the next run takes them again. */
  readonly errors: number;
  readonly durationMs: number;
};

const BATCH_LIMIT = 1_000;

/**
 * Removes expired logins, revocations and idempotency keys, 1,000 to a statement, so that no lock lasts.
 * Live rows and revocations still needed stay; running it twice, or twice at once, is harmless.
 */
export async function cleanUpExpiredTokens(ports: Pick<Ports, 'sql' | 'clock' | 'log'>): Promise<CleanupResult> {
  const startedAt = ports.clock.monotonic();
  let removed = 0;
  let errors = 0;
  for (const remove of [deleteExpiredFamilies, deleteExpiredRevocations, deleteExpiredIdempotencyKeys]) {
    try {
      for (let batch = BATCH_LIMIT; batch === BATCH_LIMIT; removed += batch)
        batch = await remove(ports.sql, BATCH_LIMIT);
    } catch (err) {
      errors += 1;
      ports.log.error({ err, what: remove.name }, 'expired rows could not be removed');
    }
  }
  return { scanned: removed, removed, errors, durationMs: ports.clock.monotonic() - startedAt };
}
