import { auditEventsSealed, auditLag } from '#observability/metrics/audit.ts';
import { recordSealedSpans } from '#observability/seal-span.ts';
import type { Caller, Fence, Ports } from '#services/domain/ports.ts';
import { type OpenLog, openLog, readOpenLog } from '../log.store.ts';
import type { StopReason } from '../log-status.ts';
import type { HasCheckpointOutbox } from './checkpoint-outbox.ts';
import type { HasLogSigner } from './log-signer.ts';
import { noteSealed, noteSigned, observeLog } from './observe-log.ts';
import { publishCheckpoint } from './publish-checkpoint.ts';
import type { SealedRow } from './seal.store.ts';
import { sealBatch } from './seal-batch.ts';
import { type HasLogMark, settleLog, stopSealing } from './settle-log.ts';

export type SealPorts = Pick<Ports, 'sql' | 'transact' | 'random' | 'clock' | 'log'> &
  HasLogMark &
  HasLogSigner &
  HasCheckpointOutbox & {
    /** Name of the first log; one that is open keeps its own. */
    readonly auditOrigin: string;
  };

export type SealInput = {
  /** Events at most; without it, all that are there. */
  readonly limit?: number;
  readonly fence?: Fence;
  /** Looked at between batches. */
  readonly signal?: AbortSignal;
};

export type SealAnswer = {
  readonly sealed: number;
  /** Leaves in the open log. */
  readonly size: number;
  /** Events that still wait, counted up to 100,000. */
  readonly backlog: number;
  /** Why nothing is sealed, where that is so. */
  readonly stopped: StopReason | null;
};

/** Bounds memory, the length of a transaction and what a crash repeats. */
const BATCH = 2_000;

/**
 * Gives every visible unsealed event its place in the log, in batches: leaves are committed, then the mark outside the
 * database follows, then the head is signed and published. Killed anywhere it goes on where it was; run twice or by
 * two at once, each event has one leaf. A database behind its mark, or beside it, seals and signs nothing.
 * Throws `storeUnavailable`, `runSuperseded`, `auditLogKeyMissing` and whatever the mark store throws.
 */
export async function sealEvents(ports: SealPorts, input: SealInput, caller: Caller): Promise<SealAnswer> {
  await ensureLog(ports);
  let settled = await settleLog(ports, caller);
  let sealed = 0;
  let isDrained = false;
  while (settled.kind === 'settled') {
    // A head that was not published before a crash, too.
    if (!(await publishCheckpoint(ports, settled.log, caller))) {
      settled = { kind: 'stopped', log: settled.log, reason: 'forked' };
      break;
    }
    noteSigned();
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
      noteSealed(ports.clock);
      measure(batch.events, startedAtMs, ports.clock.monotonic() - startedAt);
      // What comes meanwhile is the next run's: leaf by leaf each would cost what a batch does.
      isDrained = batch.rows < limit;
    }
    settled = await settleLog(ports, caller);
  }
  const { size } = settled.log;
  const backlog = await observeLog(ports, size);
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
    lag.record(Math.max(0, (row.nowMicros - row.occurredAtMicros) / 1_000 + tookMs) / 1_000);
  recordSealedSpans(
    events.map(({ row, seq }) => ({
      traceparent: row.traceparent,
      attributes: { 'sallyport.audit.type': row.type, 'sallyport.audit.seq': seq },
    })),
    startedAtMs,
    startedAtMs + tookMs,
  );
}
