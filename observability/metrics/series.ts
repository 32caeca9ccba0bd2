export interface Exemplar {
  traceId: string;
  value: number;
  atMs: number;
}

/** State of one series at collection. For histograms, `counts` has one more entry than there are bounds. */
export interface SeriesSnapshot {
  labels: Readonly<Record<string, string>>;
  value: number;
  counts?: readonly number[];
  exemplars?: readonly (Exemplar | undefined)[];
}

const keyOf = (labels: SeriesSnapshot['labels']): string => JSON.stringify(Object.entries(labels).sort());

/** Sums series with equal labels and appends the others. */
export function addSeries(own: readonly SeriesSnapshot[], more: readonly SeriesSnapshot[]): SeriesSnapshot[] {
  if (more.length === 0) return [...own];
  const sums = new Map(own.map((series) => [keyOf(series.labels), series]));
  for (const series of more) {
    const key = keyOf(series.labels);
    const known = sums.get(key);
    sums.set(key, known === undefined ? series : sumOf(known, series));
  }
  return [...sums.values()];
}

function sumOf(one: SeriesSnapshot, other: SeriesSnapshot): SeriesSnapshot {
  const value = one.value + other.value;
  const exemplars = other.exemplars ?? one.exemplars;
  return {
    labels: one.labels,
    value,
    ...(one.counts ? { counts: one.counts.map((count, at) => count + (other.counts?.[at] ?? 0)) } : {}),
    ...(exemplars ? { exemplars } : {}),
  };
}
