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
} from '#services/core/ports.ts';
import { goodSignatures, parseNote, parseVkey } from '../log/note.ts';
import { readOpenLog } from '../log.store.ts';
import { addCosignature, readSinks, storeSinkFailed, storeSinkReached } from './checkpoints.store.ts';

/** Publishes checkpoints to sinks in the background. Sealing does not wait for it. */
type CheckpointOutbox = {
  /** Queues a checkpoint for every sink. It replaces a waiting one, whose leaves it covers. */
  offer(checkpoint: OutgoingCheckpoint): void;
  /** Resolves when no request is in flight: each sink has the newest checkpoint, or waits for its interval or a retry. */
  settled(): Promise<void>;
  /** Aborts requests in flight. The next sealing run of any worker publishes the newest checkpoint again. */
  close(): Promise<void>;
};

export type HasCheckpointOutbox = { readonly checkpointOutbox: CheckpointOutbox };

type OutboxPorts = {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly log: Log;
  readonly checkpointSinks: readonly CheckpointSink[];
  /** Delay before a failed sink is retried, doubled each time; a second by default. */
  readonly retryFirstMs?: number;
};

const PUBLISH_TIMEOUT_MS = 10_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MOST_MS = 60_000;

type SinkQueue = {
  readonly sink: CheckpointSink;
  pending: OutgoingCheckpoint | undefined;
  /** Newest checkpoint that it accepted from this process. */
  reached: OutgoingCheckpoint | undefined;
  startedAt: number;
  failures: number;
  running: Promise<void> | undefined;
  timer: NodeJS.Timeout | undefined;
};

/**
 * One queue per sink: a slow or unreachable sink delays neither sealing nor other sinks. While a sink is busy, or before
 * its interval has passed, only the newest checkpoint waits. A failed request is retried within a minute.
 */
export function createCheckpointOutbox(ports: OutboxPorts): CheckpointOutbox {
  const { sql, clock, log, retryFirstMs = RETRY_FIRST_MS } = ports;
  const queues = ports.checkpointSinks.map(emptyQueue);
  const stopping = new AbortController();

  function schedule(queue: SinkQueue): void {
    if (queue.running || queue.timer || !queue.pending || stopping.signal.aborted) return;
    const backOffMs = queue.failures === 0 ? 0 : Math.min(RETRY_MOST_MS, retryFirstMs * 2 ** (queue.failures - 1));
    const waitMs = queue.startedAt + Math.max(queue.sink.intervalMs, backOffMs) - clock.monotonic();
    if (waitMs <= 0) {
      start(queue);
      return;
    }
    queue.timer = setTimeout(() => {
      queue.timer = undefined;
      start(queue);
    }, waitMs);
    queue.timer.unref();
  }

  function start(queue: SinkQueue): void {
    const checkpoint = queue.pending as OutgoingCheckpoint;
    queue.pending = undefined;
    queue.startedAt = clock.monotonic();
    queue.running = publish(queue, checkpoint).finally(() => {
      queue.running = undefined;
      schedule(queue);
    });
  }

  async function publish(queue: SinkQueue, checkpoint: OutgoingCheckpoint): Promise<void> {
    const { sink } = queue;
    try {
      const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(PUBLISH_TIMEOUT_MS)]);
      const lines = cosignatures(sink, checkpoint, await sink.publish(checkpoint, signal));
      queue.reached = checkpoint;
      queue.failures = 0;
      for (const line of lines) await addCosignature(sql, checkpoint, line);
      await storeSinkReached(sql, sink.name, checkpoint);
      await setSizeGauges(sql, ports.checkpointSinks);
    } catch (err) {
      if (err instanceof SinkAheadError && (await readOpenLog(sql))!.size >= err.size) return;
      queue.pending ??= checkpoint;
      if (stopping.signal.aborted) return;
      queue.failures += 1;
      const reason = reasonOf(err);
      auditSinkFailures.add(1, { sink: sink.kind, reason });
      const fields = { err, sink: sink.name, origin: checkpoint.origin, size: checkpoint.size };
      if (reason === 'forked') log.error(fields, 'checkpoint sink has another history of the audit log');
      else if (queue.failures === 1)
        log.warn(fields, 'publishing a checkpoint failed; the newest checkpoint will be retried');
      await storeSinkFailed(sql, sink.name, checkpoint).catch(() => {});
    }
  }

  return {
    offer(checkpoint) {
      for (const queue of queues) {
        if (queue.reached && isSameHead(queue.reached, checkpoint)) continue;
        if (queue.pending && !isSameHead(queue.pending, checkpoint)) auditSinkSkipped.add(1, { sink: queue.sink.kind });
        queue.pending = checkpoint;
        schedule(queue);
      }
    },
    async settled() {
      while (queues.some(({ running }) => running)) await Promise.all(queues.map(({ running }) => running));
    },
    async close() {
      stopping.abort();
      for (const { timer } of queues) clearTimeout(timer);
      await Promise.allSettled(queues.map(({ running }) => running));
    },
  };
}

const isSameHead = (one: OutgoingCheckpoint, other: OutgoingCheckpoint): boolean =>
  one.origin === other.origin && one.size === other.size && one.root === other.root;

/**
 * Keeps the valid cosignatures.
 * @throws SinkRefusedError if the sink has a cosigner and none is valid
 */
function cosignatures({ cosigner }: CheckpointSink, { note }: OutgoingCheckpoint, lines: readonly string[]): string[] {
  if (cosigner === undefined) return [];
  const good = goodSignatures(parseVkey(cosigner), parseNote(note).text, lines);
  if (good.length === 0) throw new SinkRefusedError('cosignature_invalid');
  return good;
}

function reasonOf(err: unknown): 'forked' | 'refused' | 'unavailable' {
  // Our log lost leaves, or another installation signs under the same name.
  if (err instanceof CheckpointForkError || err instanceof SinkAheadError) return 'forked';
  return err instanceof SinkRefusedError ? 'refused' : 'unavailable';
}

const emptyQueue = (sink: CheckpointSink): SinkQueue => ({
  sink,
  pending: undefined,
  reached: undefined,
  startedAt: Number.NEGATIVE_INFINITY,
  failures: 0,
  running: undefined,
  timer: undefined,
});

/** Sets the gauge to the smallest size of each kind of sink. The table covers all workers. */
async function setSizeGauges(sql: OutboxPorts['sql'], sinks: readonly CheckpointSink[]): Promise<void> {
  const known = await readSinks(sql);
  for (const kind of new Set(sinks.map((sink) => sink.kind))) {
    const names = sinks.filter((sink) => sink.kind === kind).map(({ name }) => name);
    const sizes = names.map((name) => known.find(({ sink }) => sink === name)?.size ?? 0);
    auditSinkSize.set(Math.min(...sizes), { sink: kind });
  }
}
