import { atBoot, type LabelArguments, type LabelLists, LabelSpace } from './labels.ts';

export { atBoot, type LabelArguments, type LabelLists, type LabelValues } from './labels.ts';

export type Kind = 'counter' | 'gauge' | 'histogram';
type Unit = 's' | 'By' | '1';

type MetricDefinition<L extends LabelLists> = {
  /** Prometheus name without `_total`: lower case, its unit at the end (`sallyport_token_sign_duration_seconds`). */
  name: string;
  /** One sentence for operators. */
  help: string;
  labels?: L;
  /** Names in the OpenTelemetry semantic conventions, if this metric has one. */
  otel?: { name: string; labels?: Readonly<Record<string, string>> };
};

type HistogramDefinition<L extends LabelLists> = MetricDefinition<L> & {
  /** Upper bounds, inclusive and rising, without infinity. */
  buckets: readonly number[];
};

/** One counter of a metric. Keep it where the labels are known, so that an addition costs one array write. */
export type CounterSeries = {
  /** `amount` is 0 or more. */
  add(amount: number): void;
  /** Reads a running total from elsewhere, which must never fall, when metrics are collected. */
  observe(read: () => number | undefined): void;
};

type GaugeSeries = {
  set(value: number): void;
  /** Reads the value when metrics are collected; undefined omits the series. */
  observe(read: () => number | undefined): void;
};

export type HistogramSeries = {
  /** @param exemplarTraceId trace id of a *sampled* request, shown with the bucket when exemplars are requested */
  record(value: number, exemplarTraceId?: string): void;
};

export type Counter<L extends LabelLists> = {
  add(amount: number, ...labels: LabelArguments<L>): void;
  /** The series of these labels, shown from now on even at zero. */
  at(...labels: LabelArguments<L>): CounterSeries;
};

type Gauge<L extends LabelLists> = {
  set(value: number, ...labels: LabelArguments<L>): void;
  at(...labels: LabelArguments<L>): GaugeSeries;
};

export type Histogram<L extends LabelLists> = {
  record(value: number, ...labels: LabelArguments<L>): void;
  at(...labels: LabelArguments<L>): HistogramSeries;
  /** Closes a label defined as `atBoot`; until then every value is `other`. */
  closeLabel(name: keyof L & string, values: readonly string[]): void;
};

export type MetricInfo = {
  name: string;
  help: string;
  kind: Kind;
  unit: Unit;
  /** Label to its values; null if they are set at start-up. */
  labels: Readonly<Record<string, readonly string[] | null>>;
  buckets: readonly number[];
  otel: { name: string; labels?: Readonly<Record<string, string>> } | undefined;
};

export type Exemplar = { traceId: string; value: number; atMs: number };

/** State of one series at collection. For histograms, `counts` has one more entry than there are bounds. */
export type SeriesSnapshot = {
  labels: Readonly<Record<string, string>>;
  value: number;
  counts?: readonly number[];
  exemplars?: readonly (Exemplar | undefined)[];
};

export type CollectedMetric = MetricInfo & { series: SeriesSnapshot[] };

type Instrument = { info(): MetricInfo; snapshot(): SeriesSnapshot[] };

type MetricRegistry = {
  defineCounter<const L extends LabelLists = Record<never, never>>(definition: MetricDefinition<L>): Counter<L>;
  defineGauge<const L extends LabelLists = Record<never, never>>(definition: MetricDefinition<L>): Gauge<L>;
  defineHistogram<const L extends LabelLists = Record<never, never>>(definition: HistogramDefinition<L>): Histogram<L>;
  /** Every metric defined so far, by name. */
  list(): MetricInfo[];
  /** The current state of every metric, or of those with these names, by name; reads the observed series. */
  collect(names?: ReadonlySet<string>): CollectedMetric[];
};

type GivenLabels = Readonly<Record<string, string>>;

class ScalarInstrument implements Instrument {
  readonly #space: LabelSpace;
  readonly #values: Float64Array;
  readonly #shown: Uint8Array;
  readonly #reads = new Map<number, () => number | undefined>();
  readonly #info: Omit<MetricInfo, 'labels'>;

  constructor(kind: 'counter' | 'gauge', definition: MetricDefinition<LabelLists>) {
    if (Object.values(definition.labels ?? {}).includes(atBoot)) throw new Error('only histograms close at boot');
    this.#space = new LabelSpace(definition.labels ?? {});
    this.#values = new Float64Array(this.#space.size);
    this.#shown = new Uint8Array(this.#space.size);
    this.#info = infoOf(kind, definition, []);
    if (kind === 'counter' && this.#space.names.length < 2) this.#showDeclared();
  }

  /** A counter of one label starts with all its declared values at zero, so that its first event is a step. */
  #showDeclared(): void {
    const [name] = this.#space.names;
    if (name === undefined) this.#shown[0] = 1;
    else for (const value of this.#space.declared[name] ?? []) this.at({ [name]: value });
  }

  add(amount: number, labels?: GivenLabels): void {
    const index = this.#space.index(labels);
    this.#shown[index] = 1;
    this.#values[index] = (this.#values[index] as number) + amount;
  }

  set(value: number, labels?: GivenLabels): void {
    const index = this.#space.index(labels);
    this.#shown[index] = 1;
    this.#values[index] = value;
  }

  at(labels?: GivenLabels): CounterSeries & GaugeSeries {
    const index = this.#space.index(labels);
    const values = this.#values;
    const shown = this.#shown;
    if (this.#info.kind === 'counter') shown[index] = 1;
    return {
      add(amount) {
        values[index] = (values[index] as number) + amount;
      },
      set(value) {
        shown[index] = 1;
        values[index] = value;
      },
      observe: (read) => {
        this.#reads.set(index, read);
      },
    };
  }

  info(): MetricInfo {
    return { ...this.#info, labels: this.#space.declared };
  }

  snapshot(): SeriesSnapshot[] {
    for (const [index, read] of this.#reads) {
      const value = readOrNothing(read);
      this.#shown[index] = value === undefined ? 0 : 1;
      if (value !== undefined) this.#values[index] = value;
    }
    const series: SeriesSnapshot[] = [];
    for (let index = 0; index < this.#shown.length; index += 1)
      if (this.#shown[index] === 1) {
        series.push({ labels: this.#space.labels(index), value: this.#values[index] as number });
      }
    return series;
  }
}

function readOrNothing(read: () => number | undefined): number | undefined {
  try {
    const value = read();
    return Number.isNaN(value) ? undefined : value;
  } catch {
    // A failing source leaves a gap, which alerts can detect; the scrape must not fail because of it.
    return undefined;
  }
}

class HistogramSeriesState implements HistogramSeries {
  readonly #bounds: readonly number[];
  readonly counts: Float64Array;
  exemplars: (Exemplar | undefined)[] | undefined;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  record(value: number, exemplarTraceId?: string): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += value;
    if (exemplarTraceId !== undefined) {
      this.exemplars ??= new Array(bounds.length + 1);
      this.exemplars[bucket] = { traceId: exemplarTraceId, value, atMs: Date.now() };
    }
  }
}

class HistogramInstrument implements Instrument {
  readonly #space: LabelSpace;
  readonly #bounds: readonly number[];
  readonly #info: Omit<MetricInfo, 'labels'>;
  #series: (HistogramSeriesState | undefined)[];

  constructor(definition: HistogramDefinition<LabelLists>) {
    this.#space = new LabelSpace(definition.labels ?? {});
    this.#bounds = definition.buckets;
    if (this.#bounds.some((bound, at) => !(bound > (this.#bounds[at - 1] ?? -Infinity) && bound < Infinity)))
      throw new Error(`buckets of ${definition.name} must rise and be finite`);
    this.#info = infoOf('histogram', definition, definition.buckets);
    this.#series = new Array(this.#space.size);
  }

  record(value: number, labels?: GivenLabels): void {
    this.at(labels).record(value);
  }

  at(labels?: GivenLabels): HistogramSeriesState {
    const index = this.#space.index(labels);
    const known = this.#series[index];
    if (known !== undefined) return known;
    const series = new HistogramSeriesState(this.#bounds);
    this.#series[index] = series;
    return series;
  }

  closeLabel(name: string, values: readonly string[]): void {
    if (this.#series.some((series) => series !== undefined)) throw new Error(`${this.#info.name} is already in use`);
    this.#space.close(name, values);
    this.#series = new Array(this.#space.size);
  }

  info(): MetricInfo {
    return { ...this.#info, labels: this.#space.declared };
  }

  snapshot(): SeriesSnapshot[] {
    const snapshots: SeriesSnapshot[] = [];
    for (const [index, series] of this.#series.entries()) {
      // Omit histograms without records: each would be a dozen lines without information.
      if (series?.counts.some((count) => count > 0) !== true) continue;
      const { sum: value, exemplars } = series;
      const snapshot: SeriesSnapshot = { labels: this.#space.labels(index), value, counts: [...series.counts] };
      snapshots.push(exemplars === undefined ? snapshot : { ...snapshot, exemplars });
    }
    return snapshots;
  }
}

/** Units by the end of a name. */
const UNITS: ReadonlyMap<string | undefined, Unit> = new Map([
  ['seconds', 's'],
  ['bytes', 'By'],
]);

function infoOf(
  kind: Kind,
  definition: MetricDefinition<LabelLists>,
  buckets: readonly number[],
): Omit<MetricInfo, 'labels'> {
  const { name, help, otel } = definition;
  if (!/^[a-z][a-z0-9_]*$/.test(name) || name.endsWith('_total')) throw new Error(`${name} cannot name a metric`);
  return { name, help, kind, unit: UNITS.get(name.split('_').at(-1)) ?? '1', buckets, otel };
}

/** A separate set of metrics. The process has one; tests create their own. */
export function createRegistry(): MetricRegistry {
  const instruments = new Map<string, Instrument>();
  const keep = <I extends Instrument>(instrument: I): I => {
    const { name } = instrument.info();
    if (instruments.has(name)) throw new Error(`${name} is defined twice`);
    instruments.set(name, instrument);
    return instrument;
  };
  const byName = (): Instrument[] =>
    [...instruments.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, instrument]) => instrument);
  return {
    // The casts add the label types, which the instruments do not need.
    defineCounter: <L extends LabelLists>(definition: MetricDefinition<L>) =>
      keep(new ScalarInstrument('counter', definition)) as unknown as Counter<L>,
    defineGauge: <L extends LabelLists>(definition: MetricDefinition<L>) =>
      keep(new ScalarInstrument('gauge', definition)) as unknown as Gauge<L>,
    defineHistogram: <L extends LabelLists>(definition: HistogramDefinition<L>) =>
      keep(new HistogramInstrument(definition)) as unknown as Histogram<L>,
    list: () => byName().map((instrument) => instrument.info()),
    collect: (names) =>
      byName()
        .filter((instrument) => names?.has(instrument.info().name) ?? true)
        .map((instrument) => ({ ...instrument.info(), series: instrument.snapshot() })),
  };
}

export const registry: MetricRegistry = createRegistry();
export const { defineCounter, defineGauge, defineHistogram } = registry;
