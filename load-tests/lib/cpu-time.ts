import { readdirSync, readFileSync } from 'node:fs';

const clockTicksPerSecond = 100;

/** The process and everything below it that lives now. */
export function descendantsOf(pid: number): number[] {
  const found = [pid];
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
      if (children !== '') for (const child of children.split(' ')) found.push(...descendantsOf(Number(child)));
    }
  } catch {
    // Ended meanwhile: its parent has taken over its time.
  }
  return found;
}

/** utime, stime, cutime and cstime: fields 14 to 17 of proc_pid_stat(5). */
function ticksOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
  } catch {
    return 0;
  }
}

/** CPU-seconds (user and system) that a process and its descendants, living and reaped, have used so far. */
export const cpuSecondsOf = (pid: number): number =>
  descendantsOf(pid).reduce((sum, each) => sum + ticksOf(each), 0) / clockTicksPerSecond;
