export type SingleFlight<T> = {
  /** Settles as a run does that began no earlier than this call. */
  take(given: T): Promise<void>;
  isIdle(): boolean;
  /** Waits for the run under way; whoever waits for another gets none. */
  close(): Promise<void>;
};

/** Runs one at a time: all who come while one is under way share the next, as the first of them gave it. */
export function createSingleFlight<T>(run: (given: T) => Promise<void>): SingleFlight<T> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let closed = false;

  function take(given: T): Promise<void> {
    // Also between two runs: whoever comes again at once takes the turn of nobody who waits.
    if (next !== null) return next;
    if (running === null) {
      running = run(given).finally(() => {
        running = null;
      });
      return running;
    }
    // The one under way may have looked before what this caller wants seen.
    next = running
      .catch(() => {})
      .then(() => {
        next = null;
        return closed ? undefined : take(given);
      });
    return next;
  }

  return {
    take,
    isIdle: () => running === null,
    async close() {
      closed = true;
      await Promise.all([running, next]);
    },
  };
}
