import { setTimeout as sleep } from 'node:timers/promises';
import { cleanupPauses, cleanupRemoved } from '#observability/metrics/cleanup.ts';
import type { Ports } from '../ports.ts';
import { type Purge, type PurgeBatch, readSlowestStatementMs } from './purge.store.ts';

export type { Purge };

export type PurgePorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'log'>;

export type PurgeResult = {
  readonly picked: number;
  readonly removed: number;
  /** One error per kind of rows that was not finished; the next run retries it. */
  readonly failures: readonly unknown[];
  readonly durationMs: number;
};

/** The pause between two batches: this multiple of the batch's duration, and at least this long. */
type Pace = { readonly factor: number; readonly leastMs: number };

const BATCH_ROWS = 1_000;
/** At most 2,000 rows a second, seven million an hour: more than expire, and a small part of one core of the database. */
const GENTLE: Pace = { factor: 4, leastMs: 500 };
const LONGEST_REST_MS = 2_000;
/** Statements of the API take a few milliseconds; one that takes this long is waiting. */
const SLOW_STATEMENT_MS = 50;
const PAUSE_MS = 250;
/** Time limit of one scheduled run; its job's time limit is longer. */
const PURGE_SECONDS = 240;
/** Consecutive pauses: a database that is always busy is cleaned up slowly, but is cleaned up. */
const MOST_PAUSES = 20;

/**
 * Removes expired rows, in short transactions of 1,000 rows with pauses in between, and waits while statements of the
 * API are slow. A kind that fails does not stop the others. Idempotent, and safe to run concurrently. `signal` and
 * `longestMs` end it between two batches, and the next run continues.
 */
export async function purge(
  ports: PurgePorts,
  purges: readonly Purge[],
  {
    signal,
    longestMs = Number.POSITIVE_INFINITY,
    pace = GENTLE,
  }: { readonly signal?: AbortSignal; readonly longestMs?: number; readonly pace?: Pace } = {},
): Promise<PurgeResult> {
  const startedAt = ports.clock.monotonic();
  const total = { picked: 0, removed: 0 };
  const failures: unknown[] = [];
  const isOver = (): boolean => signal?.aborted === true || ports.clock.monotonic() - startedAt > longestMs;
  for (const each of purges)
    try {
      await purgeKind(ports, each, { isOver, pace }, (batch) => {
        total.picked += batch.picked;
        total.removed += batch.removed;
        cleanupRemoved.add(batch.removed, { kind: each.kind });
      });
    } catch (err) {
      failures.push(err);
      ports.log.error({ err, kind: each.kind }, 'expired rows could not be removed');
    }
  return { ...total, failures, durationMs: ports.clock.monotonic() - startedAt };
}

async function purgeKind(
  ports: PurgePorts,
  { removeBatch }: Purge,
  { isOver, pace }: { readonly isOver: () => boolean; readonly pace: Pace },
  onBatch: (batch: PurgeBatch) => void,
): Promise<void> {
  let from = '-infinity';
  while (!isOver()) {
    const beganAt = ports.clock.monotonic();
    const batch = await ports.transact((tx) => removeBatch(tx, BATCH_ROWS, from));
    onBatch(batch);
    // A batch of only locked rows would be selected forever.
    if (batch.picked < BATCH_ROWS || batch.removed === 0 || batch.reached === null) return;
    from = batch.reached;
    const tookMs = ports.clock.monotonic() - beganAt;
    await sleep(Math.min(LONGEST_REST_MS, Math.max(pace.leastMs, tookMs * pace.factor)));
    for (let pauses = 0; pauses < MOST_PAUSES && !isOver(); pauses += 1) {
      if ((await readSlowestStatementMs(ports)) < SLOW_STATEMENT_MS) break;
      cleanupPauses.add(1);
      await sleep(PAUSE_MS);
    }
  }
}

/** One run of a scheduled job: ends before the next one, and throws the first failure, so that the job is retried. */
export async function purgeOnSchedule(
  ports: PurgePorts,
  purges: readonly Purge[],
  signal: AbortSignal,
): Promise<PurgeResult> {
  const result = await purge(ports, purges, { signal, longestMs: PURGE_SECONDS * 1_000 });
  if (result.failures.length > 0) throw result.failures[0];
  return result;
}
