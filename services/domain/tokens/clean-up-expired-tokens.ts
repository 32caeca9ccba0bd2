import { type PurgePorts, purge } from '../shared/purge.ts';
import { dpopProofPurge } from './dpop/dpop.store.ts';
import { idempotencyKeyPurge } from './issue/idempotency.store.ts';
import { familyPurge } from './metadata/token-statistics.store.ts';
import { revocationPurge } from './revocations/revocations.store.ts';

/** What this module removes once its time is over. */
export const tokenPurges = [familyPurge, revocationPurge, idempotencyKeyPurge, dpopProofPurge] as const;

export type CleanupResult = {
  /** Rows looked at: each was past its end. */
  readonly scanned: number;
  readonly removed: number;
  /** Kinds of rows that could not be cleaned up; the next run takes them again. */
  readonly errors: number;
  readonly durationMs: number;
};

/**
 * Removes expired logins, revocations and idempotency keys, so that no lock lasts. Live rows and revocations still
 * needed stay; running it twice, or twice at once, is harmless.
 */
export async function cleanUpExpiredTokens(ports: PurgePorts): Promise<CleanupResult> {
  const { picked, removed, failures, durationMs } = await purge(ports, tokenPurges);
  return { scanned: picked, removed, errors: failures.length, durationMs };
}
