import {
  auditCheckpointAge,
  auditLogOrigins,
  auditLogSize,
  auditOutboxBacklog,
  auditOutboxOldestAge,
  auditOutboxStray,
  auditSealingStopped,
} from '#observability/metrics/audit.ts';
import type { Ports } from '#services/core/ports.ts';
import { type StopReason, stopReasons } from '../log-status.ts';
import { readBacklog } from './backlog.store.ts';

type LogGauges = {
  /** Leaves were added that no signed checkpoint covers yet. */
  leavesAdded(): void;
  /** A signed checkpoint covers every leaf. */
  checkpointSigned(): void;
  setSize(leaves: number): void;
  /** Null: sealing has not stopped. */
  setStopReason(reason: StopReason | null): void;
  /** Counts the logs, unless the log in use is the one of the last call. */
  countOrigins(current: string, readOrigins: () => Promise<readonly string[]>): Promise<void>;
  /**
   * Reads the unsealed events. Until the next read, the ages that the gauges show keep growing.
   * @returns unsealed events, counted up to 100,000
   */
  readBacklog(ports: Pick<Ports, 'sql'>): Promise<number>;
};

export type HasLogGauges = { readonly logGauges: LogGauges };

export function createLogGauges({ clock }: Pick<Ports, 'clock'>): LogGauges {
  const secondsSince = (startMs: number | undefined): number =>
    startMs === undefined ? 0 : (clock.monotonic() - startMs) / 1_000;
  let uncoveredSinceMs: number | undefined;
  let oldestSinceMs: number | undefined;
  let countedOrigin: string | undefined;
  return {
    leavesAdded() {
      uncoveredSinceMs ??= clock.monotonic();
    },
    checkpointSigned() {
      uncoveredSinceMs = undefined;
    },
    setSize: (leaves) => auditLogSize.set(leaves),
    setStopReason(reason) {
      for (const each of stopReasons) auditSealingStopped.set(each === reason ? 1 : 0, { reason: each });
    },
    async countOrigins(current, readOrigins) {
      if (current === countedOrigin) return;
      auditLogOrigins.set(new Set(await readOrigins()).size);
      countedOrigin = current;
    },
    async readBacklog({ sql }) {
      const { backlog, oldest_age_seconds: oldestAgeSeconds, stray } = await readBacklog(sql);
      oldestSinceMs = backlog === 0 ? undefined : clock.monotonic() - Math.max(0, oldestAgeSeconds) * 1_000;
      auditOutboxOldestAge.at().observe(() => secondsSince(oldestSinceMs));
      auditCheckpointAge.at().observe(() => secondsSince(uncoveredSinceMs));
      auditOutboxBacklog.set(backlog);
      auditOutboxStray.set(stray);
      return backlog;
    },
  };
}

/** Every worker reads the backlog regularly, so that a worker that seals nothing does not show outdated values. */
export function watchBacklog(ports: Pick<Ports, 'sql'> & HasLogGauges, everyMs = 10_000): { close(): void } {
  const read = (): void => void ports.logGauges.readBacklog(ports).catch(() => {});
  read();
  const timer = setInterval(read, everyMs).unref();
  return { close: () => clearInterval(timer) };
}
