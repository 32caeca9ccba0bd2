import type { Ports } from '#services/core/ports.ts';
import { thinCheckpointBatch } from './checkpoints.store.ts';

const BATCH_ROWS = 2_000;

/**
 * Deletes checkpoints more than a week old, except the last of each hour and those that prove a fork. Every leaf stays
 * provable against a later checkpoint. Runs in short transactions and stops between two of them when `signal` aborts.
 * @returns number of deleted checkpoints
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
    if (batch.examined < batchRows || batch.origin === null || batch.size === null) break;
    from = { origin: batch.origin, size: batch.size };
  }
  return removed;
}
