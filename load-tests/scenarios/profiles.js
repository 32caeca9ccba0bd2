/**
 * Arrival rates by path (requests a second), and how long. Every profile is an open model: requests start when they
 * are due, whatever the answers do. `shape` bends the rates over time: [part of the time, factor], linear in between.
 */
const steady = [[1, 1]];

export const profiles = {
  /** Does every path work, correctly and fast enough: under a minute with everything. */
  smoke: { seconds: 20, shape: steady, rates: { validate: 100, issue: 5, refresh: 5, revoke: 3, signIn: 1 } },
  /** What one machine must hold. */
  load: { seconds: 120, shape: steady, rates: { validate: 1_000, issue: 50, refresh: 20, revoke: 5, signIn: 1 } },
  /** Beyond that, in one ramp. */
  stress: {
    seconds: 300,
    shape: [
      [0.5, 3],
      [0.5, 3],
    ],
    rates: { validate: 1_000, issue: 50, refresh: 20, revoke: 5, signIn: 1 },
  },
  /** Three times the load out of nothing, and back. */
  spike: {
    seconds: 120,
    shape: [
      [0.3, 1],
      [0.02, 3],
      [0.28, 3],
      [0.02, 1],
      [0.38, 1],
    ],
    rates: { validate: 1_000, issue: 50, refresh: 20, revoke: 5, signIn: 1 },
  },
  /** Does it stay as it was. */
  soak: { seconds: 7_200, shape: steady, rates: { validate: 500, issue: 20, refresh: 20, revoke: 5, signIn: 1 } },
  /** Where it gives way: up to ten times the load, ended by the first threshold that breaks. */
  breakpoint: {
    seconds: 600,
    shape: [[1, 10]],
    rates: { validate: 1_000, issue: 50, refresh: 20, revoke: 5, signIn: 1 },
    endsAtThreshold: true,
  },
};

const isSteady = (shape) => shape === steady;

/** k6's scenario of one path under a profile. */
export function scenarioOf(path, profile) {
  const { rates, seconds, shape } = profile;
  const rate = rates[path];
  const peak = Math.ceil(rate * Math.max(...shape.map(([, factor]) => factor)));
  // Virtual users enough for every answer to take a fifth of a second at the peak; a sign-in takes longer.
  const preAllocatedVUs = Math.max(10, Math.ceil(peak * (path === 'signIn' ? 10 : 0.2)));
  const common = { exec: path, preAllocatedVUs, maxVUs: preAllocatedVUs * 5, gracefulStop: '10s', tags: { path } };
  if (isSteady(shape))
    return { executor: 'constant-arrival-rate', rate, timeUnit: '1s', duration: `${seconds}s`, ...common };
  return {
    executor: 'ramping-arrival-rate',
    startRate: rate,
    timeUnit: '1s',
    stages: shape.map(([part, factor]) => ({
      duration: `${Math.round(part * seconds)}s`,
      target: Math.ceil(rate * factor),
    })),
    ...common,
  };
}
