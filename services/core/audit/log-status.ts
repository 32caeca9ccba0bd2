import type { LogHead } from '../ports.ts';
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
 * Compares the log with the high-water mark outside the database. `current`: they are equal. `swap`: the log has grown
 * beyond the mark, or there is no mark yet; the sealer moves the mark. `continued_elsewhere`: another log continues the
 * one that the mark names; only an operator's command moves the mark there. With every status but `current` and `swap`,
 * nothing may be sealed or signed.
 */
export type LogStatus = 'current' | 'swap' | StopReason;

/** Database reads that only some comparisons need. */
type LogHistory = {
  /** Root (base64) that the log had at this size, computed from its tiles. */
  rootAt(size: number): Promise<string>;
  /** Whether a log follows another log without the leaf that states the loss. */
  isForged(): Promise<boolean>;
  find(head: LogHead): Promise<HeadFound>;
};

export async function logStatus(log: LogHead, mark: LogHead | null, history: LogHistory): Promise<LogStatus> {
  if (mark === null) return (await history.isForged()) ? 'log_forged_continuation' : 'swap';
  if (mark.origin !== log.origin) {
    if (await history.isForged()) return 'log_forged_continuation';
    const found = await history.find(mark);
    if (found === 'behind') return 'database_behind';
    return found === 'forked' ? 'forked' : 'continued_elsewhere';
  }
  if (mark.size > log.size) return 'database_behind';
  if (mark.size === log.size) return mark.root === log.root ? 'current' : 'forked';
  return (await history.rootAt(mark.size)) === mark.root ? 'swap' : 'forked';
}
