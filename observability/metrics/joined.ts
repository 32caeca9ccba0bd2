import { type MetricRegistry, registry } from './instruments.ts';
import { addSeries, type SeriesSnapshot } from './series.ts';

/** Series by the metric they belong to; metrics and labels are those of this process. */
export type MetricSeries = { readonly name: string; readonly series: readonly SeriesSnapshot[] };

export interface Joined {
  /** The other thread's present totals, in place of those it showed before. */
  show(metrics: readonly MetricSeries[]): void;
  /** The thread has ended: what it counted stays counted, its gauges go, and its successor begins at zero. */
  keep(): void;
}

/** Counts that another thread of this process keeps, shown among its own: an operator sees one process. */
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
