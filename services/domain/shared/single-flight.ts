export type SingleFlight<T> = {
  /** Settles with a run that began no earlier than this call. */
  take(given: T): Promise<void>;
  isIdle(): boolean;
  /** Waits for the run in flight; callers that wait for the next run get none. */
  close(): Promise<void>;
};

/** Single-flight: one run at a time; all callers during a run share the next one, with the first caller's function. */
export function createSingleFlight<T>(run: (given: T) => Promise<void>): SingleFlight<T> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let closed = false;

  function take(given: T): Promise<void> {
    // Also between two runs: a caller that returns immediately must not overtake those that wait.
    if (next !== null) return next;
    if (running === null) {
      running = run(given).finally(() => {
        running = null;
      });
      return running;
    }
    // The run in flight may have read before the change that this caller needs to see.
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
