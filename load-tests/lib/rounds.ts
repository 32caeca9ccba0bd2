import type { LoadResult } from './load-loop.ts';

/** What one measured run did. CPU-seconds are those of the process under test and its descendants. */
export type Speed = {
  readonly count: number;
  readonly perSecond: number;
  readonly perCpuSecond: number;
  /** CPU-seconds a second: how busy it was; a ratio between two that were not both busy says less. */
  readonly cores: number;
  /** Of a stream of requests. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** The same count by the CPU time of the whole product, with its stores and workers. */
  readonly perProductCpuSecond?: number;
};

export function speed(
  count: number,
  seconds: number,
  cpuSeconds: number,
  more: Pick<Speed, 'p50Ms' | 'p99Ms' | 'perProductCpuSecond'> = {},
): Speed {
  return {
    count,
    perSecond: count / seconds,
    perCpuSecond: count / cpuSeconds,
    cores: cpuSeconds / seconds,
    ...more,
  };
}

/** The speed of a run's single stream. */
export function speedOf({ streams: [stream], seconds, cpuSeconds, productCpuSeconds }: LoadResult): Speed {
  const { ok, latency } = stream!;
  return speed(ok, seconds, cpuSeconds, {
    p50Ms: latency.p50Ms,
    p99Ms: latency.p99Ms,
    ...(productCpuSeconds > 0 ? { perProductCpuSecond: ok / productCpuSeconds } : {}),
  });
}

/** Two runs of one case as one, without the latencies. */
export function combined(first: Speed, second: Speed): Speed {
  const both = [first, second];
  const sum = (value: (run: Speed) => number): number => both.reduce((total, run) => total + value(run), 0);
  const [count, seconds] = [sum((run) => run.count), sum((run) => run.count / run.perSecond)];
  const productCpuSeconds = sum(({ count: n, perProductCpuSecond = 0 }) => n / perProductCpuSecond);
  const perProductCpuSecond = count / productCpuSeconds;
  return speed(
    count,
    seconds,
    sum((run) => run.count / run.perCpuSecond),
    perProductCpuSecond > 0 ? { perProductCpuSecond } : {},
  );
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export type Rounds<Name extends string, T> = Readonly<Record<Name, T>>[];

/** Runs every case once a round, in turn and every second round backwards, so that a drift favours none. */
export async function alternate<Name extends string, T>(
  rounds: number,
  cases: Readonly<Record<Name, () => Promise<T>>>,
  onRound: (round: number, results: Readonly<Record<Name, T>>) => void = () => {},
): Promise<Rounds<Name, T>> {
  const names = Object.keys(cases) as Name[];
  const measured: Readonly<Record<Name, T>>[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const results = {} as Record<Name, T>;
    for (const name of round % 2 === 1 ? names : names.toReversed()) results[name] = await cases[name]();
    onRound(round, results);
    measured.push(results);
  }
  return measured;
}

/** Median over the rounds of what `value` makes of each. */
export const medianOf = <Name extends string, T>(
  rounds: Rounds<Name, T>,
  value: (round: Readonly<Record<Name, T>>) => number,
): number => median(rounds.map(value));

/** Where the true median lies, by order statistics: no distribution of the values is assumed. */
export type Interval = {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** At least 95 % from six values on; fewer cannot say so much. */
  readonly percent: number;
};

const MOST_OUTSIDE = 0.05;

export function medianInterval(values: readonly number[]): Interval {
  const sorted = values.toSorted((a, b) => a - b);
  const count = sorted.length;
  // The chance that fewer than `rank` of `count` values lie below the median: a sum of the binomial distribution.
  let rank = 1;
  let term = 0.5 ** count;
  let tail = term;
  for (;;) {
    term *= (count - rank + 1) / rank;
    if (2 * (tail + term) > MOST_OUTSIDE) break;
    tail += term;
    rank += 1;
  }
  return { low: sorted[rank - 1]!, high: sorted[count - rank]!, count, percent: Math.round(100 * (1 - 2 * tail)) };
}

/** The median over the pairs of what `value` makes of each, with its interval: what a figure that compares is made of. */
export function compared<Name extends string, T>(
  pairs: Rounds<Name, T>,
  value: (pair: Readonly<Record<Name, T>>) => number,
): { readonly value: number; readonly interval: Interval } {
  const values = pairs.map(value);
  return { value: median(values), interval: medianInterval(values) };
}

/** The middle one of a case's speeds, for a table. */
export const middleSpeed = <Name extends string>(rounds: Rounds<Name, Speed>, name: Name): Speed =>
  rounds.map((round) => round[name]).toSorted((a, b) => a.perCpuSecond - b.perCpuSecond)[
    Math.floor(rounds.length / 2)
  ]!;
