import type { RateCount } from '../ports.ts';
import type { LimitBucket } from './buckets.ts';

/** The decision of a limit about one request. */
export type RateLimitResult = {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Unix milliseconds by which the window has ended; a whole number. */
  readonly resetAt: number;
};

/** One request counted in one bucket, with the key for counting further items. */
export type Counted = { readonly bucket: LimitBucket; readonly count: RateCount; readonly key?: string };

const isOver = ({ bucket, count }: Counted): boolean => count.used > bucket.limit;

const remainingOf = ({ bucket, count }: Counted): number => Math.max(0, bucket.limit - count.used);

/** Never 0: a client that need not wait would retry immediately. */
const resetSeconds = ({ count }: Counted): number => Math.max(1, Math.ceil(count.resetMs / 1_000));

/** The used-up bucket that frees last, or undefined when the request may pass. */
export function usedUp(counted: readonly Counted[]): Counted | undefined {
  let worst: Counted | undefined;
  for (const one of counted) if (isOver(one) && (!worst || one.count.resetMs > worst.count.resetMs)) worst = one;
  return worst;
}

export const limitResultOf = (counted: Counted, now: number): RateLimitResult => ({
  allowed: !isOver(counted),
  limit: counted.bucket.limit,
  remaining: remainingOf(counted),
  resetAt: Math.ceil(now + counted.count.resetMs),
});

const policyOf = ({ bucket: { name, limit, windowSeconds } }: Counted): string =>
  `"${name}";q=${limit};w=${windowSeconds}`;

/** The smaller remaining share; of equal shares the window that ends later. */
function tighter(one: Counted, other: Counted): Counted {
  const difference = remainingOf(one) / one.bucket.limit - remainingOf(other) / other.bucket.limit;
  if (difference === 0) return one.count.resetMs >= other.count.resetMs ? one : other;
  return difference < 0 ? one : other;
}

/**
 * `RateLimit-Policy` with every bucket the request counted in, and `RateLimit` with the one nearest to its end
 * (draft-ietf-httpapi-ratelimit-headers-10, structured fields).
 */
export function rateLimitHeaders(counted: readonly Counted[]): Readonly<Record<string, string>> {
  const [first, ...rest] = counted;
  if (first === undefined) return {};
  let policy = policyOf(first);
  let tightest = first;
  for (const one of rest) {
    policy += `, ${policyOf(one)}`;
    tightest = tighter(tightest, one);
  }
  return {
    'ratelimit-policy': policy,
    ratelimit: `"${tightest.bucket.name}";r=${remainingOf(tightest)};t=${resetSeconds(tightest)}`,
  };
}

type RateLimitRefusal = {
  readonly detail: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly retryAfterSeconds: number;
};

const detailOf = ({ limit, windowSeconds, setting }: LimitBucket): string =>
  `More than ${limit} requests in ${windowSeconds} s; the limit is ${setting}.`;

/** Headers of a refusal: those of the used-up bucket, whatever else was counted. */
export const limitRefusalOf = (refused: Counted, counted: readonly Counted[]): RateLimitRefusal => ({
  detail: detailOf(refused.bucket),
  headers: { ...rateLimitHeaders(counted), ratelimit: `"${refused.bucket.name}";r=0;t=${resetSeconds(refused)}` },
  retryAfterSeconds: resetSeconds(refused),
});
