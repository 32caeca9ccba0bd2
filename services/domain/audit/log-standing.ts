import type { LogMark } from '../ports.ts';

/** A log as the database has it. */
export type LogHead = LogMark & {
  /** Logs before it, closed because an operator accepted that leaves of theirs are lost. */
  readonly closedOrigins: readonly string[];
};

export type StopReason = 'database_behind' | 'forked' | 'tiles_damaged';

/**
 * How the database's log stands to the mark outside it. `swap`: the mark is one this log has grown from, or of a
 * log that it was accepted to follow, or there is none yet; it follows. Otherwise nothing may be sealed or signed.
 */
export type LogStanding = 'current' | 'swap' | StopReason;

/**
 * @param rootAtMark root (base64) that the log had at the mark's size, read from its tiles; asked for only where the
 *   mark is of this log and smaller
 */
export async function logStanding(
  log: LogHead,
  mark: LogMark | null,
  rootAtMark: (size: number) => Promise<string>,
): Promise<LogStanding> {
  if (mark === null || log.closedOrigins.includes(mark.origin)) return 'swap';
  if (mark.origin !== log.origin || mark.size > log.size) return 'database_behind';
  if (mark.size === log.size) return mark.root === log.root ? 'current' : 'forked';
  return (await rootAtMark(mark.size)) === mark.root ? 'swap' : 'forked';
}
