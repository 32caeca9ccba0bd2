import type { Ports } from '#services/domain/ports.ts';
import { thinCheckpointBatch } from './checkpoints.store.ts';

const BATCH_ROWS = 2_000;

/**
 * Of the checkpoints of each hour that is over a week old keeps the last, and every one that proves a fork. Any proof
 * can be made anew against a later checkpoint, so nothing becomes unprovable. In short transactions; `signal` ends it
 * between two.
 * @returns how many were deleted
 */
export async function thinCheckpoints(
  { transact }: Pick<Ports, 'transact'>,
  signal: AbortSignal,
  batchRows = BATCH_ROWS,
): Promise<number> {
  let removed = 0;
  let from = { origin: '', size: 0 };
  while (!signal.aborted) {
    const batch = await transact((tx) => thinCheckpointBatch(tx, from, batchRows));
    removed += batch.removed;
    if (batch.looked < batchRows || batch.origin === null || batch.size === null) break;
    from = { origin: batch.origin, size: batch.size };
  }
  return removed;
}
