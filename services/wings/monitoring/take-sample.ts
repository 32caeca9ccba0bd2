import type { CollectedMetric, SeriesSnapshot } from '#observability/metrics/instruments.ts';
import type { MeasuredSeries } from './capacity/capacity-series.ts';
import { type Histogram, histogramOf, mergeHistograms } from './histogram.ts';
import { SAMPLED_COUNTERS, SAMPLED_GAUGES, SAMPLED_HISTOGRAMS } from './sampled-metrics.ts';

type Values = Readonly<Record<string, number>>;

/**
 * What a copy did in a span: counters and histograms as differences, gauges as they were at its end. A key is the name of
 * the metric here and the values of its labels: `pool.main.waiting`. What is 0 is left out, except gauges.
 */
type Sample = {
  readonly counters: Values;
  readonly gauges: Values;
  readonly histograms: Readonly<Record<string, Histogram>>;
};

/** With the highest value of each series of the capacity forecast, which rows of the release before lack. */
export type HourSample = Sample & { readonly measured?: MeasuredSeries };

type HistogramTotal = { readonly bounds: readonly number[]; readonly counts: readonly number[]; readonly sum: number };

export type Totals = { readonly counters: Values; readonly histograms: Readonly<Record<string, HistogramTotal>> };

export const NO_TOTALS: Totals = { counters: {}, histograms: {} };

type Sampled = { readonly metric: string; readonly by?: readonly string[] };
type Metrics = readonly CollectedMetric[];

function* seriesOf(
  sampled: Readonly<Record<string, Sampled>>,
  metrics: Metrics,
): Generator<readonly [string, SeriesSnapshot, CollectedMetric]> {
  for (const [name, { metric: wanted, by = [] }] of Object.entries(sampled)) {
    const metric = metrics.find((each) => each.name === wanted);
    for (const series of metric?.series ?? [])
      yield [[name, ...by.map((label) => series.labels[label])].join('.'), series, metric as CollectedMetric];
  }
}

function valuesOf(sampled: Readonly<Record<string, Sampled>>, metrics: Metrics): Values {
  const values: Record<string, number> = {};
  for (const [key, { value }] of seriesOf(sampled, metrics)) values[key] = (values[key] ?? 0) + value;
  return values;
}

export function totalsOf(metrics: Metrics): Totals {
  const histograms: Record<string, HistogramTotal> = {};
  for (const [key, { value, counts = [] }, { buckets: bounds }] of seriesOf(SAMPLED_HISTOGRAMS, metrics)) {
    const before = histograms[key];
    histograms[key] = {
      bounds,
      counts: counts.map((count, at) => count + (before?.counts[at] ?? 0)),
      sum: value + (before?.sum ?? 0),
    };
  }
  return { counters: valuesOf(SAMPLED_COUNTERS, metrics), histograms };
}

/** What happened from `before` to `now`; the gauges are those of `metrics`. */
export function sampleOf(metrics: Metrics, before: Totals, now: Totals): Sample {
  const counters: Record<string, number> = {};
  for (const [key, total] of Object.entries(now.counters)) {
    const added = total - (before.counters[key] ?? 0);
    if (added > 0) counters[key] = added;
  }
  const histograms: Record<string, Histogram> = {};
  for (const [key, { bounds, counts, sum }] of Object.entries(now.histograms)) {
    const earlier = before.histograms[key];
    const added = counts.map((count, at) => count - (earlier?.counts[at] ?? 0));
    if (added.some((count) => count > 0)) histograms[key] = histogramOf(bounds, added, sum - (earlier?.sum ?? 0));
  }
  return { counters, gauges: valuesOf(SAMPLED_GAUGES, metrics), histograms };
}

type Sums = Pick<Sample, 'counters' | 'histograms'>;

/** Counters and histograms of several samples, added up. */
export function sumOf(samples: readonly Sums[]): Sums {
  const counters: Record<string, number> = {};
  for (const sample of samples)
    for (const [key, value] of Object.entries(sample.counters)) counters[key] = (counters[key] ?? 0) + value;
  const keys = new Set(samples.flatMap(({ histograms }) => Object.keys(histograms)));
  const histograms = Object.fromEntries(
    [...keys].map((key) => [key, mergeHistograms(samples.flatMap((sample) => sample.histograms[key] ?? []))]),
  );
  return { counters, histograms };
}
