export type SingleFlight<T> = {
  /** Settles with a run that began after this call. */
  run(argument: T): Promise<void>;
  isIdle(): boolean;
  /** Waits for the run in flight; callers that wait for the next run get none. */
  close(): Promise<void>;
};

/** Single-flight: one run at a time; all callers during a run share the next one, with the argument of the first. */
export function createSingleFlight<T>(work: (argument: T) => Promise<void>): SingleFlight<T> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let closed = false;

  function run(argument: T): Promise<void> {
    // Also between two runs: a caller that returns immediately must not overtake those that wait.
    if (next !== null) return next;
    if (running === null) {
      running = work(argument).finally(() => {
        running = null;
      });
      return running;
    }
    // The run in flight may have read before the change that this caller needs to see.
    next = running
      .catch(() => {})
      .then(() => {
        next = null;
        return closed ? undefined : run(argument);
      });
    return next;
  }

  return {
    run,
    isIdle: () => running === null,
    async close() {
      closed = true;
      await Promise.all([running, next]);
    },
  };
}
