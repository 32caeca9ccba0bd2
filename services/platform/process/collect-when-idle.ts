import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A process whose event loop was busy for less than this share of a window is idle. */
const IDLE_SHARE = 0.1;
const WINDOW_MS = 2_000;
/** The first jobs and answers leave as much as the start. */
const SECOND_MS = 60_000;
const REPEAT_MS = 600_000;

type Parts = {
  readonly collect: () => void;
  readonly busyness: (since?: EventLoopUtilization) => EventLoopUtilization;
};

/** V8's own collection of the whole heap, which it keeps to itself unless it is asked for. */
export function wholeHeapCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return () => collect();
}

/**
 * Collects what a start has left once the process is idle, a minute later, and then every ten minutes: V8 collects under allocation only,
 * so an unused process would keep 40 MB of garbage. V8 returns the pages some ten seconds later. The collection stops the
 * process, for 90 ms of processor time with the API's heap, so it never runs under load.
 */
export function collectWhenIdle(
  { collect, busyness }: Parts = { collect: wholeHeapCollector(), busyness: performance.eventLoopUtilization },
): void {
  const collectOnce = (thenMs: number): void => {
    const before = busyness();
    setTimeout(() => {
      if (busyness(before).utilization >= IDLE_SHARE) return collectOnce(thenMs);
      collect();
      setTimeout(collectOnce, thenMs, REPEAT_MS).unref();
    }, WINDOW_MS).unref();
  };
  collectOnce(SECOND_MS);
}
