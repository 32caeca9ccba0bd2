/** How long what has ended waits before it is started again. */
export type Backoff = {
  readonly firstMs: number;
  readonly capMs: number;
};

/** For what a process has of its own: threads, hashing children. */
export const ownBackoff: Backoff = { firstMs: 100, capMs: 5_000 };

/** Milliseconds to wait after so many failures in a row, one at least: doubled with each, up to the cap. */
export function backoffMs({ firstMs, capMs }: Backoff, failures: number): number {
  return Math.min(capMs, firstMs * 2 ** Math.min(Math.max(failures - 1, 0), 30));
}
