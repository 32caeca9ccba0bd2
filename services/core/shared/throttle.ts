import type { Clock } from '../ports.ts';

const MINUTE_MS = 60_000;
/** More names than any installation sees in a minute; beyond it some actions run twice. */
const NAMES_MAX = 10_000;

/**
 * Runs an action once per name and minute on this copy; concurrent callers get the same result.
 * @returns whether it succeeded; a failed action is retried with the next call
 */
export function createThrottle(
  clock: Pick<Clock, 'now'>,
): (name: string, act: () => Promise<boolean>) => Promise<boolean> {
  let minute = -1;
  const done = new Map<string, Promise<boolean>>();
  return async (name, act) => {
    const now = Math.floor(clock.now() / MINUTE_MS);
    if (now !== minute || done.size >= NAMES_MAX) done.clear();
    minute = now;
    const held = done.get(name) ?? act();
    done.set(name, held);
    const isDone = await held;
    if (!isDone && done.get(name) === held) done.delete(name);
    return isDone;
  };
}
