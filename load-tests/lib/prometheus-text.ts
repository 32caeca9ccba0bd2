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

/** The sum of all series of one metric: of a counter, or of a histogram's `_sum` or `_count`. */
export function totalOf(page: string, name: string): number {
  const values = valuesOf(page, name);
  if (values.length === 0) throw new Error(`no ${name} on the page`);
  return values.reduce((sum, value) => sum + value, 0);
}

/** The highest series of one gauge; undefined without any. */
export function highestOf(page: string, name: string): number | undefined {
  const values = valuesOf(page, name);
  return values.length === 0 ? undefined : Math.max(...values);
}

/** Answered requests by route. */
export function requestsByRoute(page: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const line of page.split('\n')) {
    const route = /^http_server_request_duration_seconds_count\{.*route="([^"]*)"/.exec(line)?.[1];
    if (route === undefined) continue;
    counts.set(route, (counts.get(route) ?? 0) + Number(line.slice(line.lastIndexOf('} ') + 2)));
  }
  return counts;
}
