import { auditEventsSealed, auditLag } from '#observability/metrics/audit.ts';
import { recordSealedSpans } from '#observability/seal-span.ts';
import type { Caller, Fence, Ports } from '#services/core/ports.ts';
import { type OpenLog, openLog, readOpenLog } from '../log.store.ts';
import type { StopReason } from '../log-status.ts';
import type { HasCheckpointOutbox } from './checkpoint-outbox.ts';
import type { HasLogGauges } from './log-gauges.ts';
import { logSealed } from './log-sealed.ts';
import type { HasLogSigner } from './log-signer.ts';
import { publishCheckpoint } from './publish-checkpoint.ts';
import type { SealedRow } from './seal.store.ts';
import { sealBatch } from './seal-batch.ts';
import { type HasLogMark, settleLog, stopSealing } from './settle-log.ts';

export { sealingIsDue } from './seal.store.ts';

export type SealPorts = Pick<Ports, 'sql' | 'transact' | 'random' | 'clock' | 'log'> &
  HasLogMark &
  HasLogSigner &
  HasLogGauges &
  HasCheckpointOutbox & {
    /** Name of the first log. Not used once a log is open. */
    readonly auditOrigin: string;
  };

type SealInput = {
  /** Maximum number of events; all unsealed events by default. */
  readonly limit?: number;
  readonly fence?: Fence;
  /** Checked between batches. */
  readonly signal?: AbortSignal;
};

export type SealAnswer = {
  readonly sealed: number;
  /** Leaves in the open log. */
  readonly size: number;
  /** Unsealed events, counted up to 100,000. */
  readonly backlog: number;
  /** Why sealing stopped; null if it did not. */
  readonly stopped: StopReason | null;
};

/** Bounds memory, the length of a transaction and the work that a crash repeats. */
const BATCH = 2_000;

/**
 * Appends every visible unsealed event to the log, in batches: commits the leaves, then moves the high-water mark outside
 * the database, then signs and publishes the head. A run may be killed, repeated, or run beside another one: each event
 * gets one leaf. If the database is behind its mark or has other leaves, seals and signs nothing.
 * @throws storeUnavailable, runSuperseded, auditLogKeyMissing, and errors of the mark store
 */
export async function sealEvents(ports: SealPorts, input: SealInput, caller: Caller): Promise<SealAnswer> {
  await ensureLog(ports);
  let settled = await settleLog(ports, caller);
  let sealed = 0;
  let isDrained = false;
  while (settled.kind === 'settled') {
    // Also publishes a head that a crashed run left unsigned.
    if (!(await publishCheckpoint(ports, settled.log, caller))) {
      settled = { kind: 'stopped', log: settled.log, reason: 'forked' };
      break;
    }
    ports.logGauges.checkpointSigned();
    const limit = Math.min(BATCH, (input.limit ?? Number.POSITIVE_INFINITY) - sealed);
    if (isDrained || limit <= 0 || input.signal?.aborted) break;
    const startedAtMs = ports.clock.now();
    const startedAt = ports.clock.monotonic();
    const batch = await sealBatch(ports, settled.log, limit, input.fence);
    if (batch.kind === 'tiles_damaged') {
      settled = await stopSealing(ports, settled.log, 'tiles_damaged', caller);
      break;
    }
    if (batch.kind === 'sealed') {
      if (batch.rows === 0) break;
      sealed += batch.events.length;
      ports.logGauges.leavesAdded();
      logSealed(ports.log, batch.events);
      measure(batch.events, startedAtMs, ports.clock.monotonic() - startedAt);
      // The next run seals events that arrived meanwhile: a batch of one leaf costs as much as a full one.
      isDrained = batch.rows < limit;
    }
    settled = await settleLog(ports, caller);
  }
  const { size } = settled.log;
  ports.logGauges.setSize(size);
  const backlog = await ports.logGauges.readBacklog(ports);
  return { sealed, size, backlog, stopped: settled.kind === 'stopped' ? settled.reason : null };
}

async function ensureLog(ports: SealPorts): Promise<OpenLog> {
  const log = await readOpenLog(ports.sql);
  if (log !== null) return log;
  await ports.transact((tx) => openLog(tx, ports.auditOrigin, 0, null));
  return (await readOpenLog(ports.sql)) as OpenLog;
}

function measure(events: readonly SealedRow[], startedAtMs: number, tookMs: number): void {
  auditEventsSealed.add(events.length);
  const lag = auditLag.at();
  for (const { row } of events)
    lag.record(Math.max(0, (row.now_micros - row.occurred_at_micros) / 1_000 + tookMs) / 1_000);
  recordSealedSpans(
    events.map(({ row, seq }) => ({
      traceparent: row.traceparent,
      attributes: { 'sallyport.audit.type': row.type, 'sallyport.audit.seq': seq },
    })),
    startedAtMs,
    startedAtMs + tookMs,
  );
}
