import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A window in which the event loop was busy for less than this share has nobody who waits. */
const IDLE_SHARE = 0.1;
const WINDOW_MS = 2_000;
const REPEAT_MS = 600_000;

type Parts = {
  readonly collect: () => void;
  readonly busyness: (since?: EventLoopUtilization) => EventLoopUtilization;
};

/** V8's own collection of the whole heap, which it keeps to itself unless it is asked for. */
export function wholeHeapCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (how: object) => void;
  setFlagsFromString('--no-expose-gc');
  return () => collect({ type: 'major', flavor: 'last-resort' });
}

/**
 * Collects what a start has left once the process is idle, and then every ten minutes: V8 collects under allocation only,
 * so a process that nobody uses keeps 40 MB and more of garbage. The process stands still for as long as it takes, 30 to
 * 80 ms for the API's heap; one that is in use is left alone.
 */
export function collectWhenIdle(
  { collect, busyness }: Parts = { collect: wholeHeapCollector(), busyness: performance.eventLoopUtilization },
): void {
  const look = (): void => {
    const before = busyness();
    setTimeout(() => {
      if (busyness(before).utilization >= IDLE_SHARE) return look();
      collect();
      setTimeout(look, REPEAT_MS).unref();
    }, WINDOW_MS).unref();
  };
  look();
}
