import type { Backoff } from '../platform/process/backoff.ts';

export type BackoffPolicy = Backoff & {
  /** A child that was ready for this long has recovered: its next crash waits `firstMs` again. */
  healthyAfterMs: number;
};

export const defaultBackoff: BackoffPolicy = { firstMs: 250, capMs: 10_000, healthyAfterMs: 30_000 };

/** Consecutive failures after the crash of a child that had been ready for `readyMs` (0: never). */
export const failuresAfterCrash = (policy: BackoffPolicy, failuresBefore: number, readyMs: number): number =>
  readyMs >= policy.healthyAfterMs ? 1 : failuresBefore + 1;
