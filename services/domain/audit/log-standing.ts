import type { LogMark } from '../ports.ts';

/** A log as the database has it. */
export type LogHead = LogMark & {
  /** The mark that this log takes the place of, where it continues a lost one. */
  readonly previous: LogMark | null;
};

export type StopReason = 'database_behind' | 'forked' | 'tiles_damaged';

/**
 * How the database's log stands to the mark outside it. `swap`: the mark is one this log has grown from (or there is
 * none yet), and follows. Otherwise nothing may be sealed or signed.
 */
export type LogStanding = 'current' | 'swap' | StopReason;

const isSame = (one: LogMark, other: LogMark): boolean =>
  one.origin === other.origin && one.size === other.size && one.root === other.root;

/**
 * @param rootAtMark root (base64) that the log had at the mark's size, read from its tiles; asked for only where the
 *   mark is of this log and smaller
 */
export async function logStanding(
  log: LogHead,
  mark: LogMark | null,
  rootAtMark: (size: number) => Promise<string>,
): Promise<LogStanding> {
  if (mark === null || (log.previous !== null && isSame(mark, log.previous))) return 'swap';
  if (mark.origin !== log.origin || mark.size > log.size) return 'database_behind';
  if (mark.size === log.size) return mark.root === log.root ? 'current' : 'forked';
  return (await rootAtMark(mark.size)) === mark.root ? 'swap' : 'forked';
}
