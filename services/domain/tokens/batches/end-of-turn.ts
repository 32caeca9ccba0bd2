let turn: Promise<void> | undefined;

/**
 * Resolves when this turn of the event loop has read all that is there; all who wait for it go on one right after the
 * other, before any of what they do next.
 */
export function endOfTurn(): Promise<void> {
  turn ??= new Promise((resolve) =>
    setImmediate(() => {
      turn = undefined;
      resolve();
    }),
  );
  return turn;
}
