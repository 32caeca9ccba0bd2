import { readdir, readFile } from 'node:fs/promises';
import { getPriority, setPriority } from 'node:os';

/** A tenth of the share of an ordinary thread where both want the processor, all of it where nobody else does. */
export const NICE = 10;

/** As Node's libuv names the threads that sign, and read files and names, for all of a process. */
const POOL = 'libuv-worker';

// Linux alone counts the nice value by thread.
const isByThread = process.platform === 'linux';

/** False where it cannot be told to: it has ended, or the system does not allow it. Nobody depends on it. */
function giveWay(thread: number): boolean {
  try {
    // Who gives way more already may not be told to give way less.
    if (getPriority(thread) < NICE) setPriority(thread, NICE);
    return true;
  } catch {
    return false;
  }
}

/** The calling thread lets ordinary ones go first, and so does whatever it starts later. */
export function giveWayHere(): void {
  if (isByThread) giveWay(0);
}

/**
 * The threads that sign let ordinary ones go first: a signature is a millisecond in one piece, and who asked for one
 * waits longer than that for its commit.
 * @returns how many; none where nice values are not counted by thread
 */
export async function letSigningGiveWay(): Promise<number> {
  if (!isByThread) return 0;
  const threads = await readdir('/proc/self/task');
  // One that has ended meanwhile has no name any more.
  const nameOf = (thread: string): Promise<string> =>
    readFile(`/proc/self/task/${thread}/comm`, 'utf8').catch(() => '');
  const names = await Promise.all(threads.map(nameOf));
  const signing = threads.filter((_, index) => names[index]?.trim() === POOL);
  return signing.filter((thread) => giveWay(Number(thread))).length;
}
