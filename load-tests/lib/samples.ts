import { LatencyHistogram, type LatencySummary } from './latency-histogram.ts';

/** What one operation did in one interval of a run. */
export type Interval = {
  readonly second: number;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

export type OperationSeries = {
  readonly latency: LatencySummary;
  readonly intervals: readonly Interval[];
  /** Answers by code. */
  readonly codes: Readonly<Record<string, number>>;
};

/** Answers of one code, of all operations together. */
export type CodeSeries = readonly { readonly second: number; readonly count: number }[];

type Point = {
  readonly metric: string;
  readonly type: string;
  readonly data: { readonly time: string; readonly value: number; readonly tags: Readonly<Record<string, string>> };
};

/** Points of these metrics are parsed; k6 writes ten times as many. */
const WANTED = /^\{"metric":"(?:http_req_duration|answers|dropped_iterations)","type":"Point"/;
/** Answers arrive a little out of order; an interval is closed when this much later has been seen. */
const LATE_SECONDS = 3;
/** Requests of setup and teardown are not load. */
const UNMEASURED = '::';

const quantile = (sorted: Float64Array, part: number): number =>
  sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;

class Operation {
  readonly latency = new LatencyHistogram();
  readonly codes: Record<string, number> = {};
  readonly intervals: Interval[] = [];
  readonly #open = new Map<number, number[]>();

  record(second: number, ms: number): void {
    this.latency.record(ms);
    const values = this.#open.get(second);
    if (values) values.push(ms);
    else this.#open.set(second, [ms]);
  }

  close(before: number): void {
    for (const [second, values] of [...this.#open].sort(([a], [b]) => a - b)) {
      if (second >= before) continue;
      this.#open.delete(second);
      const sorted = Float64Array.from(values).sort();
      this.intervals.push({
        second,
        count: sorted.length,
        p50Ms: quantile(sorted, 0.5),
        p99Ms: quantile(sorted, 0.99),
      });
    }
  }
}

/** Collects the samples that k6 writes as lines of JSON. */
export class Samples {
  readonly #operations = new Map<string, Operation>();
  readonly #all = new LatencyHistogram();
  readonly #codes = new Map<string, Map<number, number>>();
  readonly #intervalSeconds: number;
  #rest = '';
  #startMs = 0;
  #newest = 0;
  dropped = 0;

  /** @param intervalSeconds of the plots; longer for longer runs */
  constructor(intervalSeconds: number) {
    this.#intervalSeconds = intervalSeconds;
  }

  add(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() as string;
    for (const line of lines) if (WANTED.test(line)) this.#point(JSON.parse(line) as Point);
  }

  #operation(name: string): Operation {
    const known = this.#operations.get(name);
    if (known) return known;
    const made = new Operation();
    this.#operations.set(name, made);
    return made;
  }

  #point({ metric, data: { time, value, tags } }: Point): void {
    if (metric === 'dropped_iterations') {
      this.dropped += value;
      return;
    }
    const { op, code, group = '' } = tags;
    if (op === undefined || group.startsWith(UNMEASURED)) return;
    const atMs = Date.parse(time);
    if (this.#startMs === 0) this.#startMs = atMs;
    const elapsed = Math.max(0, atMs - this.#startMs) / 1_000;
    const second = Math.floor(elapsed / this.#intervalSeconds) * this.#intervalSeconds;
    if (metric === 'answers') {
      this.#answer(op, code ?? 'unknown', second, value);
      return;
    }
    this.#all.record(value);
    this.#operation(op).record(second, value);
    if (second <= this.#newest) return;
    this.#newest = second;
    for (const operation of this.#operations.values()) operation.close(second - LATE_SECONDS);
  }

  #answer(op: string, code: string, second: number, count: number): void {
    const { codes } = this.#operation(op);
    codes[code] = (codes[code] ?? 0) + count;
    const series = this.#codes.get(code) ?? new Map<number, number>();
    this.#codes.set(code, series);
    series.set(second, (series.get(second) ?? 0) + count);
  }

  /** Answers over time by code. */
  codes(): Readonly<Record<string, CodeSeries>> {
    return Object.fromEntries(
      [...this.#codes].map(([code, series]) => [
        code,
        [...series].sort(([a], [b]) => a - b).map(([second, count]) => ({ second, count })),
      ]),
    );
  }

  /** One line on the newest closed interval, for a terminal. */
  progress(): string {
    const parts = [...this.#operations].flatMap(([name, { intervals }]) => {
      const last = intervals.at(-1);
      if (last === undefined) return [];
      return [`${name} ${Math.round(last.count / this.#intervalSeconds)}/s p99 ${last.p99Ms.toFixed(1)} ms`];
    });
    return parts.length === 0 ? 'preparing' : parts.join(', ');
  }

  /** 99 % of all requests took at most this long. */
  get p99Ms(): number {
    return this.#all.quantileMs(0.99);
  }

  finish(): Readonly<Record<string, OperationSeries>> {
    for (const operation of this.#operations.values()) operation.close(Number.POSITIVE_INFINITY);
    return Object.fromEntries(
      [...this.#operations].map(([name, { latency, intervals, codes }]) => [
        name,
        { latency: latency.summary(), intervals, codes },
      ]),
    );
  }
}
