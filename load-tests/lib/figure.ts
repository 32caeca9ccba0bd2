import type { Interval } from './rounds.ts';

/** One measured number with what it must be. */
export type Figure = {
  readonly name: string;
  /** What the number is, in a few words: `ratio per CPU-second`. */
  readonly unit: string;
  readonly value: number;
  /** Of a figure that compares. */
  readonly interval?: Interval;
  /** Without a target the figure is shown for its own sake. */
  readonly target?: { readonly atLeast: number } | { readonly atMost: number };
  /** Every round and whatever explains the number; goes into the JSON result. */
  readonly measured: unknown;
  /** The same in one line, for the table. */
  readonly detail: string;
};

export const isMet = ({ value, target }: Figure): boolean | undefined => {
  if (!target) return undefined;
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
};

const digits = (value: number): string => value.toFixed(value >= 100 ? 0 : 3);

/** The detail, behind the interval of what is the median of several pairs. */
export const detailOf = ({ interval, detail }: Pick<Figure, 'interval' | 'detail'>): string =>
  interval === undefined
    ? detail
    : `${interval.percent} % interval ${digits(interval.low)} to ${digits(interval.high)}, n = ${interval.count}; ${detail}`;

/** A run of benches, as its raw file. */
export type BenchReport = {
  readonly date: string;
  readonly commit: string;
  readonly command: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGb: number;
    readonly kernel: string;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** One-minute load average before and after: what else ran here. */
  readonly loadAverage: { readonly before: number; readonly after: number };
  readonly figures: readonly (Figure & { readonly bench: string; readonly met: boolean | undefined })[];
  readonly errors: readonly { readonly bench: string; readonly error: string }[];
};
