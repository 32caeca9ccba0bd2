// For tests only: finds running processes.
import { readdirSync, readFileSync } from 'node:fs';
import { recordProcess } from '#services/platform/local/processes.ts';

/** Whether a process with this pid lives now. */
export const isAlive = (pid: number): boolean => recordProcess(pid).start !== undefined;

/** Descendants of a process, by the kernel's own list. */
export function descendantsOf(pid: number): number[] {
  let text = '';
  try {
    // A thread may have children of its own.
    for (const task of readdirSync(`/proc/${pid}/task`))
      text += readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8');
  } catch {
    return [];
  }
  const own = text.trim().split(/\s+/).filter(Boolean).map(Number);
  return own.flatMap((child) => [child, ...descendantsOf(child)]);
}
