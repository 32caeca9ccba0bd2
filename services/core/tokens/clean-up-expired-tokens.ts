import { revocationPurge } from '../revocations/revocation-lifetime.ts';
import { type PurgePorts, purge } from '../shared/purge.ts';
import { dpopProofPurge } from './dpop/dpop.store.ts';
import { idempotencyKeyPurge } from './issue/idempotency.store.ts';
import { familyPurge } from './metadata/token-statistics.store.ts';

/** Expired rows of this module that the purge job deletes. */
export const tokenPurges = [familyPurge, revocationPurge, idempotencyKeyPurge, dpopProofPurge] as const;

export type CleanupResult = {
  /** Expired rows that were found. */
  readonly scanned: number;
  readonly removed: number;
  /** Kinds of rows whose cleanup failed; the next run retries them. */
  readonly errors: number;
  readonly durationMs: number;
};

/**
 * Deletes expired token families, revocations, idempotency keys and DPoP proofs, in small batches, so that locks are
 * short. Live rows and revocations that are still needed stay. Repeated and concurrent runs are harmless.
 */
export async function cleanUpExpiredTokens(ports: PurgePorts): Promise<CleanupResult> {
  const { picked, removed, failures, durationMs } = await purge(ports, tokenPurges);
  return { scanned: picked, removed, errors: failures.length, durationMs };
}
