import type { Caller, Clock } from '../ports.ts';

const MINUTE_MS = 60_000;
/** More names than any installation sees in a minute; past it some are told twice. */
const NAMES_MAX = 10_000;

/**
 * Does something once for each name and minute of this copy; whoever comes meanwhile gets what came of it.
 * @returns whether it was done; what was not is tried again with the next call
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

/** Whom a name is about, apart from every other caller. */
export const nameOfCaller = (caller: Caller): string =>
  caller.kind === 'user' ? `user ${caller.userId}` : caller.kind === 'client' ? `client ${caller.clientId}` : '';
