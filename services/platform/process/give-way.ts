import { readdir, readFile } from 'node:fs/promises';
import { getPriority, setPriority } from 'node:os';

/** A tenth of the share of an ordinary thread where both want the processor, all of it where nobody else does. */
export const NICE = 10;

/** As Node names the threads of its pool (files, names, a signature now and then), and those that compile and collect. */
const HELPERS: ReadonlySet<string> = new Set(['libuv-worker', 'V8Worker']);

// Linux alone counts the nice value by thread.
const isByThread = process.platform === 'linux';

/**
 * A thread, or a process that has just been started, lets ordinary ones go first, and so does whatever it starts later.
 * @returns false where it cannot be told to: it has ended, or the system does not allow it; nobody depends on it
 */
export function letGiveWay(thread: number): boolean {
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
  if (isByThread) letGiveWay(0);
}

/**
 * The threads that help this process let ordinary ones go first: a signature is a third of a millisecond in one
 * piece and a compilation several. The price: a collection waits for those of them that take part in it.
 * @returns how many; none where nice values are not counted by thread
 */
export async function letHelpersGiveWay(): Promise<number> {
  if (!isByThread) return 0;
  const threads = await readdir('/proc/self/task');
  // One that has ended meanwhile has no name any more.
  const nameOf = (thread: string): Promise<string> =>
    readFile(`/proc/self/task/${thread}/comm`, 'utf8').catch(() => '');
  const names = await Promise.all(threads.map(nameOf));
  const helpers = threads.filter((_, index) => HELPERS.has(names[index]?.trim() ?? ''));
  return helpers.filter((thread) => letGiveWay(Number(thread))).length;
}
