/**
 * Records of a duration: their sum, and how many were at most each bound. Sparse: a bound stands here if records end at
 * it, or if the next bucket begins at it (then with 0). `inf` has the records above every bound.
 */
export type Histogram = { readonly sum: number; readonly counts: Readonly<Record<string, number>> };

const BEYOND = 'inf';

export const countOf = ({ counts }: Histogram): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

/**
 * The sparse form of the counts of each bucket.
 * @param counts one for each bound, and one for the records above all
 */
export function histogramOf(bounds: readonly number[], counts: readonly number[], sum: number): Histogram {
  const sparse: Record<string, number> = {};
  for (const [at, count] of counts.entries()) {
    if (count === 0) continue;
    const lower = bounds[at - 1];
    if (lower !== undefined) sparse[lower] ??= 0;
    sparse[bounds[at] ?? BEYOND] = count;
  }
  return { sum, counts: sparse };
}

export function mergeHistograms(all: readonly Histogram[]): Histogram {
  const counts: Record<string, number> = {};
  let sum = 0;
  for (const each of all) {
    sum += each.sum;
    for (const [bound, count] of Object.entries(each.counts)) counts[bound] = (counts[bound] ?? 0) + count;
  }
  return { sum, counts };
}

const boundsOf = ({ counts }: Histogram): number[] =>
  Object.keys(counts)
    .filter((bound) => bound !== BEYOND)
    .map(Number)
    .sort((one, other) => one - other);

/**
 * The value below which this share of the records is, as Prometheus estimates it: along a straight line between the
 * bounds of a bucket, the first of which begins at 0. Above the last bound it is that bound, the least that it can be.
 * Null without records.
 */
export function quantileOf(histogram: Histogram, quantile: number): number | null {
  const total = countOf(histogram);
  if (total === 0) return null;
  const rank = quantile * total;
  let below = 0;
  let lower = 0;
  for (const upper of boundsOf(histogram)) {
    const count = histogram.counts[upper] as number;
    if (count > 0 && below + count >= rank) return lower + (upper - lower) * ((rank - below) / count);
    below += count;
    lower = upper;
  }
  return lower;
}
