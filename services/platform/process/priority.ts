import { getPriority, setPriority } from 'node:os';

/**
 * Nice value of the worker, of local stores and of password hashing: they yield to the API, and keep a tenth of a core
 * that another process wants whole. At 19 a child would keep a seventieth, and sign-ins would stop on a busy machine.
 */
export const BACKGROUND = 10;

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
