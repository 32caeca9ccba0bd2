/** Does the work at once and again after each pause. The work never rejects. */
export function repeat(work: () => Promise<void>, pauseMs: () => number): { close(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let isClosed = false;
  const next = (): void => {
    running = work();
    void running.then(() => {
      if (!isClosed) timer = setTimeout(next, pauseMs());
    });
  };
  next();
  return {
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      await running;
    },
  };
}
