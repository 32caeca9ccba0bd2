import { auditSinkFailures, auditSinkSize, auditSinkSkipped } from '#observability/metrics/audit.ts';
import {
  CheckpointForkError,
  type CheckpointSink,
  type Clock,
  type Log,
  type OutgoingCheckpoint,
  SinkAheadError,
  SinkRefusedError,
  type Sql,
} from '#services/domain/ports.ts';
import { goodSignatures, parseNote, parseVkey } from '../log/note.ts';
import { readOpenLog } from '../log.store.ts';
import { addCosignature, noteSinkFailed, noteSinkReached, readSinks } from './checkpoints.store.ts';

/** What is told outside, beside sealing: never waited for. */
export type CheckpointOutbox = {
  /** Takes the place of any that still waits: a later head covers it. */
  offer(checkpoint: OutgoingCheckpoint): void;
  /** Resolves when no sink is being told: each has what was offered last, or waits for its time to be told. */
  settled(): Promise<void>;
  /** Ends what is under way. What was not published is offered again by the next sealing run, anywhere. */
  close(): Promise<void>;
};

export type HasCheckpointOutbox = { readonly checkpointOutbox: CheckpointOutbox };

type OutboxPorts = {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly log: Log;
  readonly checkpointSinks: readonly CheckpointSink[];
  /** How soon a failed sink is tried again, doubled each time; a second unless said. */
  readonly retryFirstMs?: number;
};

const PUBLISH_TIMEOUT_MS = 10_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MOST_MS = 60_000;

type Lane = {
  readonly sink: CheckpointSink;
  pending: OutgoingCheckpoint | undefined;
  /** Newest head it has taken, by this process. */
  reached: OutgoingCheckpoint | undefined;
  startedAt: number;
  failures: number;
  running: Promise<void> | undefined;
  timer: NodeJS.Timeout | undefined;
};

/**
 * One lane for each sink: a slow or absent one holds up neither sealing nor the others. Of the heads that come while
 * it is busy, or before its interval is over, the newest waits. A failed one is tried again, at most a minute later.
 */
export function createCheckpointOutbox(ports: OutboxPorts): CheckpointOutbox {
  const { sql, clock, log, retryFirstMs = RETRY_FIRST_MS } = ports;
  const lanes: Lane[] = ports.checkpointSinks.map((sink) => ({
    sink,
    pending: undefined,
    reached: undefined,
    startedAt: Number.NEGATIVE_INFINITY,
    failures: 0,
    running: undefined,
    timer: undefined,
  }));
  const stopping = new AbortController();

  function schedule(lane: Lane): void {
    if (lane.running || lane.timer || !lane.pending || stopping.signal.aborted) return;
    const backOffMs = lane.failures === 0 ? 0 : Math.min(RETRY_MOST_MS, retryFirstMs * 2 ** (lane.failures - 1));
    const waitMs = lane.startedAt + Math.max(lane.sink.intervalMs, backOffMs) - clock.monotonic();
    if (waitMs <= 0) {
      start(lane);
      return;
    }
    lane.timer = setTimeout(() => {
      lane.timer = undefined;
      start(lane);
    }, waitMs);
    lane.timer.unref();
  }

  function start(lane: Lane): void {
    const checkpoint = lane.pending as OutgoingCheckpoint;
    lane.pending = undefined;
    lane.startedAt = clock.monotonic();
    lane.running = publish(lane, checkpoint).finally(() => {
      lane.running = undefined;
      schedule(lane);
    });
  }

  async function publish(lane: Lane, checkpoint: OutgoingCheckpoint): Promise<void> {
    const { sink } = lane;
    try {
      const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(PUBLISH_TIMEOUT_MS)]);
      const lines = cosignatures(sink, checkpoint, await sink.publish(checkpoint, signal));
      lane.reached = checkpoint;
      lane.failures = 0;
      for (const line of lines) await addCosignature(sql, checkpoint, line);
      await noteSinkReached(sql, sink.name, checkpoint);
      await showSizes();
    } catch (err) {
      if (err instanceof SinkAheadError && (await readOpenLog(sql))!.size >= err.size) return;
      lane.pending ??= checkpoint;
      if (stopping.signal.aborted) return;
      lane.failures += 1;
      const reason = reasonOf(err);
      auditSinkFailures.add(1, { sink: sink.kind, reason });
      const fields = { err, sink: sink.name, origin: checkpoint.origin, size: checkpoint.size };
      if (reason === 'forked') log.error(fields, 'another history of the audit log is known outside');
      else if (lane.failures === 1) log.warn(fields, 'a checkpoint was not published; the newest is tried again');
      await noteSinkFailed(sql, sink.name, checkpoint).catch(() => {});
    }
  }

  /** Over all workers, from the table: the least of each kind. */
  async function showSizes(): Promise<void> {
    const known = await readSinks(sql);
    for (const kind of new Set(lanes.map(({ sink }) => sink.kind))) {
      const names = lanes.filter(({ sink }) => sink.kind === kind).map(({ sink }) => sink.name);
      const sizes = names.map((name) => known.find(({ sink }) => sink === name)?.size ?? 0);
      auditSinkSize.set(Math.min(...sizes), { sink: kind });
    }
  }

  return {
    offer(checkpoint) {
      for (const lane of lanes) {
        if (lane.reached && isSameHead(lane.reached, checkpoint)) continue;
        if (lane.pending && !isSameHead(lane.pending, checkpoint)) auditSinkSkipped.add(1, { sink: lane.sink.kind });
        lane.pending = checkpoint;
        schedule(lane);
      }
    },
    async settled() {
      while (lanes.some(({ running }) => running)) await Promise.all(lanes.map(({ running }) => running));
    },
    async close() {
      stopping.abort();
      for (const { timer } of lanes) clearTimeout(timer);
      await Promise.allSettled(lanes.map(({ running }) => running));
    },
  };
}

const isSameHead = (one: OutgoingCheckpoint, other: OutgoingCheckpoint): boolean =>
  one.origin === other.origin && one.size === other.size && one.root === other.root;

/** The good ones. Throws SinkRefusedError where a cosigner gave none. */
function cosignatures({ cosigner }: CheckpointSink, { note }: OutgoingCheckpoint, lines: readonly string[]): string[] {
  if (cosigner === undefined) return [];
  const good = goodSignatures(parseVkey(cosigner), parseNote(note).text, lines);
  if (good.length === 0) throw new SinkRefusedError('cosignature_invalid');
  return good;
}

function reasonOf(err: unknown): 'forked' | 'refused' | 'unavailable' {
  // A head beyond our own log is one that we have lost, or that somebody else has signed.
  if (err instanceof CheckpointForkError || err instanceof SinkAheadError) return 'forked';
  return err instanceof SinkRefusedError ? 'refused' : 'unavailable';
}
