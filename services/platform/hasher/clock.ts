/** Clock of the queue; tests replace it. */
export type HasherClock = {
  /** Monotonic. */
  nowMs(): number;
  /** Runs `act` once, later; the returned function cancels it. */
  after(delayMs: number, act: () => void): () => void;
};

export const systemClock: HasherClock = {
  nowMs: () => performance.now(),
  after: (delayMs, act) => {
    const timer = setTimeout(act, delayMs);
    return () => clearTimeout(timer);
  },
};
