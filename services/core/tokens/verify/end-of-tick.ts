/**
 * Creates a function whose promise resolves when the event loop has read every request that is ready in this tick. All
 * callers of one tick continue directly after each other.
 */
export function createEndOfTick(): () => Promise<void> {
  let current: Promise<void> | undefined;
  return () => {
    current ??= new Promise((resolve) =>
      setImmediate(() => {
        current = undefined;
        resolve();
      }),
    );
    return current;
  };
}
