import { setTimeout as sleep } from 'node:timers/promises';
import { cleanupPauses, cleanupRemoved } from '#observability/metrics/cleanup.ts';
import type { Ports } from '../ports.ts';
import { type Purge, type PurgeBatch, readSlowestStatementMs } from './purge.store.ts';

export type { Purge };

export type PurgePorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'log'>;

export type PurgeResult = {
  readonly picked: number;
  readonly removed: number;
  /** Why kinds of rows were not finished, one a kind; the next run takes them again. */
  readonly failures: readonly unknown[];
  readonly durationMs: number;
};

/** How long it rests between two batches: so many times as long as the batch took, and at least so long. */
type Pace = { readonly factor: number; readonly leastMs: number };

const BATCH_ROWS = 1_000;
/** At most 2,000 rows a second, seven million an hour: more than runs out, and a small part of one core of the database. */
const GENTLE: Pace = { factor: 4, leastMs: 500 };
const LONGEST_REST_MS = 2_000;
/** Statements of the API take a few milliseconds; one that takes this long waits for something. */
const SLOW_STATEMENT_MS = 50;
const PAUSE_MS = 250;
/** Of one scheduled run; its job's time limit is longer. */
const PURGE_SECONDS = 240;
/** Pauses in a row: a database that is always busy is cleaned up slowly, but cleaned up. */
const MOST_PAUSES = 20;

/**
 * Removes what is past its time, in short transactions of 1,000 rows with rests in between, and waits while statements
 * of the API take long. A kind that fails does not keep the others. Twice, or two at once, is harmless.
 * `signal` ends it between two batches; `longestMs` too, and the next run goes on.
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
  for (const each of purges) {
    try {
      await purgeKind(ports, each, { isOver, pace }, (batch) => {
        total.picked += batch.picked;
        total.removed += batch.removed;
        cleanupRemoved.add(batch.removed, { kind: each.kind });
      });
    } catch (err) {
      failures.push(err);
      ports.log.error({ err, kind: each.kind }, 'rows past their time could not be removed');
    }
  }
  return { ...total, failures, durationMs: ports.clock.monotonic() - startedAt };
}

async function purgeKind(
  ports: PurgePorts,
  { kind, removeBatch }: Purge,
  { isOver, pace }: { readonly isOver: () => boolean; readonly pace: Pace },
  onBatch: (batch: PurgeBatch) => void,
): Promise<void> {
  let from = '-infinity';
  while (!isOver()) {
    const beganAt = ports.clock.monotonic();
    const batch = await ports.transact((tx) => removeBatch(tx, BATCH_ROWS, from));
    onBatch(batch);
    // A batch of nothing but rows that others hold would be picked for ever.
    if (batch.picked < BATCH_ROWS || batch.removed === 0 || batch.reached === null) return;
    from = batch.reached;
    const tookMs = ports.clock.monotonic() - beganAt;
    await sleep(Math.min(LONGEST_REST_MS, Math.max(pace.leastMs, tookMs * pace.factor)));
    for (let pauses = 0; pauses < MOST_PAUSES && !isOver(); pauses += 1) {
      if ((await readSlowestStatementMs(ports.sql)) < SLOW_STATEMENT_MS) break;
      cleanupPauses.add(1, { kind });
      await sleep(PAUSE_MS);
    }
  }
}

/** One run of a scheduled job: ends in time for the next one, and throws the first failure, so that it is tried again. */
export async function purgeOnSchedule(
  ports: PurgePorts,
  purges: readonly Purge[],
  signal: AbortSignal,
): Promise<PurgeResult> {
  const result = await purge(ports, purges, { signal, longestMs: PURGE_SECONDS * 1_000 });
  if (result.failures.length > 0) throw result.failures[0];
  return result;
}
