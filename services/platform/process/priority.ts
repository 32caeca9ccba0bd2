import { getPriority, setPriority } from 'node:os';

/** Nice values: worker and local stores yield to the API, and password hashing yields to every other process. */
export const BACKGROUND = 10;
export const LOWEST = 19;

let isReported = false;

/**
 * Lowers the priority of a process that has just started, and of what it starts later; 0 is the calling thread on
 * Linux, this process elsewhere. Never raises a priority that is already lower. A refusal is logged once a process.
 */
export function lowerPriority(pid: number, nice: number): void {
  try {
    if (getPriority(pid) < nice) setPriority(pid, nice);
  } catch (err) {
    const hasEnded = (err as { info?: { code?: string } }).info?.code === 'ESRCH';
    if (!hasEnded && !isReported)
      process.emitWarning(`the priority of process ${pid} cannot be lowered: ${String(err)}`);
    isReported ||= !hasEnded;
  }
}
