/** Calls `say` at most once a minute: an unreachable store is a state, not a stream of events. */
export function oncePerMinute(say: (err: Error) => void): (err: Error) => void {
  let saidAt: number | undefined;
  return (err) => {
    const now = performance.now();
    if (saidAt !== undefined && now - saidAt < 60_000) return;
    saidAt = now;
    say(err);
  };
}
