/** How long to wait before a crashed child is started again. */
export interface BackoffPolicy {
  firstMs: number;
  capMs: number;
  /** A child that was ready for this long has recovered: its next crash waits `firstMs` again. */
  healthyAfterMs: number;
}

export const defaultBackoff: BackoffPolicy = { firstMs: 250, capMs: 10_000, healthyAfterMs: 30_000 };

/** Delay before attempt `failures + 1`: doubled with each failure in a row, up to the cap. */
export function backoffMs(policy: BackoffPolicy, failures: number): number {
  return Math.min(policy.capMs, policy.firstMs * 2 ** Math.min(Math.max(failures - 1, 0), 30));
}

/** Failures in a row, now that a child which had been ready for `readyMs` (0: never) has crashed. */
export function failuresAfterCrash(policy: BackoffPolicy, failuresBefore: number, readyMs: number): number {
  return readyMs >= policy.healthyAfterMs ? 1 : failuresBefore + 1;
}
