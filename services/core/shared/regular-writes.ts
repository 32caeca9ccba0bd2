export type RegularWrites = {
  /** Writes what was gathered since the last time. A failure is logged, and it is written the next time. */
  write(): Promise<void>;
  start(): void;
  /** Stops, and writes the rest. */
  close(): Promise<void>;
};

/** Writes what is gathered in memory, one write after the other, so no request waits for it. @param write never rejects */
export function createRegularWrites(intervalMs: number, write: () => Promise<void>): RegularWrites {
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  return {
    write,
    start() {
      timer = setInterval(() => {
        writing = writing.then(write);
      }, intervalMs);
      timer.unref();
    },
    async close() {
      clearInterval(timer);
      await writing;
      await write();
    },
  };
}
