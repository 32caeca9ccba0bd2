/** Delays before a restart. */
export type Backoff = { readonly firstMs: number; readonly capMs: number };

/** For threads and children of a process. */
export const ownBackoff: Backoff = { firstMs: 100, capMs: 5_000 };

/** Milliseconds to wait after `failures` (at least one) in a row: doubles with each failure, up to the cap. */
export const backoffMs = ({ firstMs, capMs }: Backoff, failures: number): number =>
  Math.min(capMs, firstMs * 2 ** Math.min(Math.max(failures - 1, 0), 30));
