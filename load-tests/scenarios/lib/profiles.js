/**
 * A profile multiplies the rates of a scenario over time: `shape` is a list of [part of the time, factor at its end],
 * linear in between. Every profile is an open model: requests start when they are due, however slow the answers are.
 */
const steady = (factor) => [[1, factor]];

export const profiles = {
  /** Each path at a low rate for seconds. Time is not held, because other tests run at the same time. */
  ci: { seconds: 2, start: 0.02, shape: steady(0.02), isTimeHeld: false },
  /** Whether every path works, and fast enough. */
  smoke: { seconds: 20, start: 0.1, shape: steady(0.1) },
  /** What one machine must hold. */
  load: { seconds: 120, start: 1, shape: steady(1) },
  /** Beyond that, in one ramp. */
  stress: {
    seconds: 300,
    start: 1,
    shape: [
      [0.5, 3],
      [0.5, 3],
    ],
  },
  /** Three times the load within seconds, and back. */
  spike: {
    seconds: 120,
    start: 1,
    shape: [
      [0.3, 1],
      [0.02, 3],
      [0.28, 3],
      [0.02, 1],
      [0.38, 1],
    ],
  },
  /** Whether latency and memory stay as they were. */
  soak: { seconds: 7_200, start: 0.5, shape: steady(0.5) },
  /** Where it breaks: up to ten times the load, ended by the first threshold that is crossed. */
  breakpoint: { seconds: 600, start: 1, shape: [[1, 10]], endsAtThreshold: true },
};
