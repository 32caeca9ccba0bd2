/** Log-linear buckets over whole microseconds: 128 a power of two, so a quantile is right to within 0.8 %. */
const subBuckets = 128;
const subBucketBits = 7;
const largestUs = 2 ** 40;
const bucketCount = (40 - subBucketBits + 1) * subBuckets;

function bucketOf(us: number): number {
  if (us < subBuckets) return us;
  const power = Math.floor(Math.log2(us));
  return (power - subBucketBits + 1) * subBuckets + Math.floor(us / 2 ** (power - subBucketBits)) - subBuckets;
}

/** Largest value of a bucket. */
function largestOf(bucket: number): number {
  if (bucket < subBuckets) return bucket;
  const power = Math.floor(bucket / subBuckets) + subBucketBits - 1;
  return (subBuckets + (bucket % subBuckets) + 1) * 2 ** (power - subBucketBits) - 1;
}

export type LatencySummary = {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
};

export class LatencyHistogram {
  readonly #counts = new Float64Array(bucketCount);
  #count = 0;
  #sumUs = 0;
  #maxUs = 0;

  record(ms: number): void {
    const us = Math.min(largestUs - 1, Math.max(0, Math.round(ms * 1_000)));
    this.#counts[bucketOf(us)]! += 1;
    this.#count += 1;
    this.#sumUs += us;
    if (us > this.#maxUs) this.#maxUs = us;
  }

  /** Milliseconds below or at which the given part (0 to 1) of the values lies; 0 without values. */
  quantileMs(part: number): number {
    const wanted = Math.max(1, Math.ceil(part * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < bucketCount; bucket += 1) {
      seen += this.#counts[bucket]!;
      if (seen >= wanted) return Math.min(largestOf(bucket), this.#maxUs) / 1_000;
    }
    return this.#maxUs / 1_000;
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      meanMs: this.#count === 0 ? 0 : this.#sumUs / this.#count / 1_000,
      p50Ms: this.quantileMs(0.5),
      p90Ms: this.quantileMs(0.9),
      p95Ms: this.quantileMs(0.95),
      p99Ms: this.quantileMs(0.99),
      p999Ms: this.quantileMs(0.999),
      maxMs: this.#maxUs / 1_000,
    };
  }
}
