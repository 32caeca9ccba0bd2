import type { LogMark } from '../ports.ts';
import type { HeadFound } from './log-continuations.ts';

export const stopReasons = [
  'database_behind',
  'forked',
  'tiles_damaged',
  'continued_elsewhere',
  'log_forged_continuation',
] as const;
export type StopReason = (typeof stopReasons)[number];

/**
 * How the database's log stands to the mark outside it. `swap`: the mark is one this log has grown from, or there is
 * none yet; it follows. `continued_elsewhere`: the log of the mark was continued, and the mark was not moved; only an
 * operator's command moves it. Otherwise nothing may be sealed or signed.
 */
export type LogStatus = 'current' | 'swap' | StopReason;

/** What the database says of itself, read where it is asked for. */
export type LogHistory = {
  /** Root (base64) that the log had at this size, from its tiles. */
  rootAt(size: number): Promise<string>;
  /** Whether a log follows another without the leaf that says so. */
  isForged(): Promise<boolean>;
  find(head: LogMark): Promise<HeadFound>;
};

export async function logStatus(log: LogMark, mark: LogMark | null, history: LogHistory): Promise<LogStatus> {
  if (mark === null) return (await history.isForged()) ? 'log_forged_continuation' : 'swap';
  if (mark.origin !== log.origin) {
    if (await history.isForged()) return 'log_forged_continuation';
    const found = await history.find(mark);
    if (found === 'behind') return 'database_behind';
    return found === 'beside' ? 'forked' : 'continued_elsewhere';
  }
  if (mark.size > log.size) return 'database_behind';
  if (mark.size === log.size) return mark.root === log.root ? 'current' : 'forked';
  return (await history.rootAt(mark.size)) === mark.root ? 'swap' : 'forked';
}
