import {
  auditCheckpointAge,
  auditLogSize,
  auditOutboxBacklog,
  auditOutboxOldestAge,
  auditOutboxStray,
} from '#observability/metrics/audit.ts';
import type { Clock, Ports } from '#services/domain/ports.ts';
import { readBacklog } from './backlog.store.ts';

/** Since when there are leaves that no signed head covers; monotonic milliseconds. */
let uncoveredSince: number | undefined;

export function noteSealed(clock: Clock): void {
  uncoveredSince ??= clock.monotonic();
}

export function noteSigned(): void {
  uncoveredSince = undefined;
}

/**
 * Shows what waits, as of now; until the next look the ages of what waits go on growing.
 * @returns events that wait, counted up to 100,000
 */
async function observeBacklog({ sql, clock }: Pick<Ports, 'sql' | 'clock'>): Promise<number> {
  const { backlog, oldestAgeSeconds, stray } = await readBacklog(sql);
  const since = clock.monotonic() - Math.max(0, oldestAgeSeconds) * 1_000;
  auditOutboxOldestAge.at().observe(() => (backlog === 0 ? 0 : (clock.monotonic() - since) / 1_000));
  auditCheckpointAge
    .at()
    .observe(() => (uncoveredSince === undefined ? 0 : (clock.monotonic() - uncoveredSince) / 1_000));
  auditOutboxBacklog.set(backlog);
  auditOutboxStray.set(stray);
  return backlog;
}

/** The same, with the leaves that there are. */
export function observeLog(ports: Pick<Ports, 'sql' | 'clock'>, size: number): Promise<number> {
  auditLogSize.set(size);
  return observeBacklog(ports);
}

/** Reads the log state regularly, whichever worker seals: a worker must not report outdated state as current. */
export function watchBacklog(ports: Pick<Ports, 'sql' | 'clock'>, everyMs: number): { close(): void } {
  const look = (): void => void observeBacklog(ports).catch(() => {});
  look();
  const timer = setInterval(look, everyMs).unref();
  return { close: () => clearInterval(timer) };
}
