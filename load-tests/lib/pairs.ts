// The one way in which figures compare: every side is measured in turn, and the figure is the median over the turns.
import type { Figure, Interval } from './figure.ts';
import type { LoadResult } from './load-loop.ts';

/** What one measured run did. CPU-seconds are those of the process under test and its descendants. */
export type Speed = {
  readonly count: number;
  readonly perSecond: number;
  readonly perCpuSecond: number;
  /** CPU-seconds a second: how busy it was; a ratio between two that were not both busy says less. */
  readonly cores: number;
  /** The same count by the CPU time of the whole product, with its stores and workers. */
  readonly perProductCpuSecond: number;
  /** Of a stream of requests. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
};

/** Of work without stores: the process is the whole product. */
export type RawSpeed = { readonly operations: number; readonly seconds: number; readonly cpuSeconds: number };

export const rawSpeed = ({ operations, seconds, cpuSeconds }: RawSpeed): Speed => ({
  count: operations,
  perSecond: operations / seconds,
  perCpuSecond: operations / cpuSeconds,
  perProductCpuSecond: operations / cpuSeconds,
  cores: cpuSeconds / seconds,
});

/** The speed of a run's single stream. */
export function speedOf({ streams: [stream], seconds, cpuSeconds, productCpuSeconds }: LoadResult): Speed {
  const { ok, latency } = stream!;
  return {
    ...rawSpeed({ operations: ok, seconds, cpuSeconds }),
    perProductCpuSecond: ok / productCpuSeconds,
    p50Ms: latency.p50Ms,
    p99Ms: latency.p99Ms,
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** How often every side is measured, and where progress goes. */
type Turns = { readonly pairs: number; say(text: string): void };

export type Pair<Side extends string, T = Speed> = Readonly<Record<Side, T>>;

/** Measures every side once a turn, every second turn backwards, so that a drift favours none. */
export async function alternate<Side extends string, T>(
  { pairs, say }: Turns,
  sides: Readonly<Record<Side, () => Promise<T>>>,
  show: (result: T) => string,
): Promise<Pair<Side, T>[]> {
  const names = Object.keys(sides) as Side[];
  const measured: Pair<Side, T>[] = [];
  while (measured.length < pairs) {
    const turn = {} as Record<Side, T>;
    for (const name of measured.length % 2 === 0 ? names : names.toReversed()) turn[name] = await sides[name]();
    measured.push(turn);
    say(`${measured.length} of ${pairs}: ${names.map((name) => `${name} ${show(turn[name])}`).join('; ')}`);
  }
  return measured;
}

export const alternateSpeeds = <Side extends string>(
  context: Turns,
  sides: Readonly<Record<Side, () => Promise<Speed>>>,
): Promise<Pair<Side>[]> => alternate(context, sides, speedDetail);

/** Median over the pairs of what `value` makes of each. */
export const medianOf = <Side extends string, T>(
  pairs: readonly Pair<Side, T>[],
  value: (pair: Pair<Side, T>) => number,
): number => median(pairs.map(value));

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

const rounded = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2));

export function speedDetail(speed: Speed): string {
  const { perCpuSecond, perSecond, cores, p50Ms, p99Ms, perProductCpuSecond } = speed;
  const wall = [
    `${rounded(perSecond)}/s on ${cores.toFixed(2)} cores`,
    ...(p50Ms === undefined || p99Ms === undefined ? [] : [`p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)} ms`]),
    ...(Number.isFinite(perProductCpuSecond) ? [`${rounded(perProductCpuSecond)} a CPU-s of the whole product`] : []),
  ];
  return `${rounded(perCpuSecond)} a CPU-s (${wall.join('; ')})`;
}

/** The middle one of a side's speeds. */
const middle = <Side extends string>(pairs: readonly Pair<Side>[], side: Side): Speed =>
  pairs.map((pair) => pair[side]).toSorted((a, b) => a.perCpuSecond - b.perCpuSecond)[Math.floor(pairs.length / 2)]!;

type Ratio<Side extends string> = Pick<Figure, 'name' | 'target'> & {
  readonly of: NoInfer<Side>;
  readonly to: NoInfer<Side>;
  readonly unit?: string;
  readonly by?: 'perCpuSecond' | 'perProductCpuSecond' | 'perSecond';
  /** What an operation costs, in place of how many there are. */
  readonly isCost?: boolean;
  /** Instead of the ratio of the two sides. */
  readonly value?: (pair: Pair<Side>) => number;
};

/** The figure that compares two sides: the median of the pairs' ratios, with its interval. */
export function ratio<Side extends string>(
  pairs: readonly Pair<Side>[],
  { name, target, of, to, unit, by = 'perCpuSecond', isCost = false, value }: Ratio<Side>,
): Figure {
  const ratioOf = (pair: Pair<Side>): number => (isCost ? pair[to][by] / pair[of][by] : pair[of][by] / pair[to][by]);
  const values = pairs.map(value ?? ratioOf);
  return {
    name,
    unit: unit ?? 'per CPU-second',
    value: median(values),
    interval: medianInterval(values),
    ...(target === undefined ? {} : { target }),
    measured: pairs,
    detail: `${speedDetail(middle(pairs, of))} against ${speedDetail(middle(pairs, to))}`,
  };
}
