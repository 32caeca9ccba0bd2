import { type MetricRegistry, registry } from './instruments.ts';
import { addSeries, type SeriesSnapshot } from './series.ts';

/** Series by the metric they belong to; metrics and labels are those of this process. */
export type MetricSeries = { readonly name: string; readonly series: readonly SeriesSnapshot[] };

export interface Joined {
  /** The other thread's current totals, which replace its earlier ones. */
  show(metrics: readonly MetricSeries[]): void;
  /** The thread has ended: its counts stay, its gauges are removed, and its successor starts at zero. */
  keep(): void;
}

/** Counts of another thread of this process, merged into its own, so that an operator sees one process. */
export function createJoined(into: MetricRegistry = registry): Joined {
  let kept: ReadonlyMap<string, readonly SeriesSnapshot[]> = new Map();
  let shown: ReadonlyMap<string, readonly SeriesSnapshot[]> = new Map();
  into.include((name) => addSeries(kept.get(name) ?? [], shown.get(name) ?? []));
  return {
    show: (metrics) => {
      shown = new Map(metrics.map(({ name, series }) => [name, series]));
    },
    keep: () => {
      const counted = into.list().filter(({ kind }) => kind !== 'gauge');
      kept = new Map(counted.map(({ name }) => [name, addSeries(kept.get(name) ?? [], shown.get(name) ?? [])]));
      shown = new Map();
    },
  };
}
