/** Where the true median lies, by order statistics: no distribution of the values is assumed. */
export type Interval = {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** At least 95 % from six values on; fewer cannot say so much. */
  readonly percent: number;
};

/** One measured number with what it must be. */
export type Figure = {
  readonly name: string;
  /** What the number is, in a few words: `per CPU-second`. */
  readonly unit: string;
  readonly value: number;
  /** Of a figure that compares. */
  readonly interval?: Interval;
  /** Without a target the figure is shown for its own sake. */
  readonly target?: { readonly atLeast: number } | { readonly atMost: number };
  /** Every pair and whatever explains the number; `--json` prints it, no file keeps it. */
  readonly measured?: unknown;
  /** The same in one line, for the table. */
  readonly detail: string;
};

export const isMet = ({ value, target }: Pick<Figure, 'value' | 'target'>): boolean | undefined => {
  if (!target) return undefined;
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
};

/** What a run was made of and where. */
export type Run = {
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
};

/** The newest result of a bench or of a load test: one file of `results/`. */
export type Result = Run & {
  readonly bench: string;
  /** What limits its figures. */
  readonly limit?: string;
  readonly figures: readonly Figure[];
};
