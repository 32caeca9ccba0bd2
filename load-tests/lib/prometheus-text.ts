/** Observations of a histogram at or below each upper bound, all series together. */
export type Buckets = ReadonlyMap<number, number>;

/** The buckets of one histogram in a page of the Prometheus text format. */
export function bucketsOf(page: string, name: string): Buckets {
  const buckets = new Map<number, number>();
  for (const line of page.split('\n')) {
    if (!line.startsWith(`${name}_bucket{`)) continue;
    const le = /[{,]le="([^"]+)"/.exec(line)?.[1];
    const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
    buckets.set(bound, (buckets.get(bound) ?? 0) + Number(line.slice(line.lastIndexOf('} ') + 2)));
  }
  if (buckets.size === 0) throw new Error(`no histogram ${name} on the page`);
  return buckets;
}

/** The bound of the bucket that holds the quantile of what was observed between two pages. */
export function quantileBound(before: Buckets, after: Buckets, quantile: number): { bound: number; count: number } {
  const since = [...after]
    .map(([bound, count]) => ({ bound, count: count - (before.get(bound) ?? 0) }))
    .sort((a, b) => a.bound - b.bound);
  const { count } = since.at(-1)!;
  if (count === 0) throw new Error('nothing was observed meanwhile');
  return { bound: since.find((bucket) => bucket.count >= quantile * count)!.bound, count };
}

/** The values of all series of one metric. */
const valuesOf = (page: string, name: string): number[] =>
  page
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)))
    .filter(Number.isFinite);

/**
 * The sum of all series of one metric: of a counter, or of a histogram's `_sum` or `_count`.
 * @param series those that count, such as `/outcome="hit"/`
 */
export function totalOf(page: string, name: string, series = /^/): number {
  if (valuesOf(page, name).length === 0) throw new Error(`no ${name} on the page`);
  const lines = page.split('\n').filter((line) => series.test(line));
  return valuesOf(lines.join('\n'), name).reduce((sum, value) => sum + value, 0);
}

/** The highest series of one gauge; undefined without any. */
export function highestOf(page: string, name: string): number | undefined {
  const values = valuesOf(page, name);
  return values.length === 0 ? undefined : Math.max(...values);
}
