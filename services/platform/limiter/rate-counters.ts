import { createHmac, hash } from 'node:crypto';
import { RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible';
import { rateLimitCountsAlone } from '#observability/metrics/limits.ts';
import type { Clock, RateBucket, RateCount, RateCounters } from '#services/domain/ports.ts';
import { connectClient } from '../redis/redis.ts';
import { type WindowCount, WindowCounts } from './window-counts.ts';

export type RateCountersOptions = {
  readonly redisUrl: string;
  readonly onRedisError: (err: Error) => void;
  readonly clock: Clock;
  /** Keys the names in Redis; the same in every copy. */
  readonly secret: string;
};

export type RedisRateCounters = RateCounters & {
  /** Whether Redis answers, so that copies count together. */
  isShared(): boolean;
  close(): Promise<void>;
};

/** A limit that waits longer than this for Redis is worse than one counted alone. */
const COMMAND_TIMEOUT_MS = 200;
/** After a failure Redis is left alone this long: a hanging one costs one wait a second, not one a request. */
const AWAY_MS = 1_000;
const TELL_EVERY_MS = 100;

type Untold = { readonly bucket: RateBucket; readonly key: string; readonly held: WindowCount };

/**
 * Counts in Redis by rate-limiter-flexible, and always in memory too: when Redis does not answer, this copy continues
 * from its own counts, so that losing Redis opens no limit. Names in Redis are keyed hashes.
 */
export function createRateCounters(options: RateCountersOptions): RedisRateCounters {
  const { clock } = options;
  const client = connectClient(options.redisUrl, { maxRetriesPerRequest: 0, commandTimeout: COMMAND_TIMEOUT_MS });
  client.on('error', options.onRedisError);
  // Points are compared by the caller, who knows the limit of this very request.
  const points = Number.MAX_SAFE_INTEGER;
  const shared = new RateLimiterRedis({ storeClient: client, keyPrefix: 'limits', points, duration: 60 });
  const hashKey = hash('sha256', `sallyport rate limits\0${options.secret}`, 'buffer');
  const windows = new Map<string, WindowCounts>();
  const untold = new Map<WindowCount, Untold>();
  let awayUntilMs = 0;

  const isShared = (): boolean => client.status === 'ready' && clock.monotonic() >= awayUntilMs;

  const redisKey = (bucket: RateBucket, key: string): string =>
    `{${bucket.name}:${createHmac('sha256', hashKey).update(`${bucket.name}\0${key}`).digest('base64url').slice(0, 22)}}`;

  function addHere(bucket: RateBucket, key: string, nowMs: number, requests = 1): WindowCount {
    let window = windows.get(bucket.name);
    if (window === undefined) {
      window = new WindowCounts(bucket.windowSeconds * 1_000, nowMs);
      windows.set(bucket.name, window);
    }
    return window.add(key, nowMs, requests);
  }

  /** Adds to the count in Redis; null where Redis does not answer. Never rejects. */
  async function addShared(bucket: RateBucket, key: string, points: number): Promise<RateLimiterRes | null> {
    if (!isShared()) return null;
    try {
      return await shared.penalty(redisKey(bucket, key), points, { customDuration: bucket.windowSeconds });
    } catch (err) {
      awayUntilMs = clock.monotonic() + AWAY_MS;
      options.onRedisError(err as Error);
      return null;
    }
  }

  /** A window ends with that of Redis, which all copies share; an emptied Redis makes none longer. */
  function endWith(held: WindowCount, answer: RateLimiterRes): void {
    if (held.isCrowd) return;
    held.endsAtMs = Math.min(held.endsAtMs, clock.monotonic() + answer.msBeforeNext);
  }

  const countOf = (held: WindowCount, used: number, nowMs: number): RateCount => ({
    used,
    resetMs: Math.max(0, held.endsAtMs - nowMs),
  });

  async function tell(one: Untold): Promise<void> {
    const { bucket, key, held } = one;
    const points = held.own - held.told;
    if (points <= 0 || held.endsAtMs <= clock.monotonic()) return;
    const endsAtMs = held.endsAtMs;
    held.told += points;
    const answer = await addShared(bucket, key, points);
    // Another window has begun meanwhile: this result does not apply to it.
    if (held.endsAtMs !== endsAtMs) return;
    if (answer === null) {
      held.told -= points;
      untold.set(held, one);
      return;
    }
    held.others = Math.max(0, answer.consumedPoints - held.told);
    endWith(held, answer);
  }

  /** While Redis is away only counts of current windows wait for it. */
  function tellAll(): void {
    if (untold.size === 0) return;
    const waiting = [...untold.values()];
    if (isShared()) {
      untold.clear();
      for (const one of waiting) void tell(one);
      return;
    }
    const nowMs = clock.monotonic();
    for (const { held } of waiting) if (held.endsAtMs <= nowMs) untold.delete(held);
  }
  const teller = setInterval(tellAll, TELL_EVERY_MS);
  teller.unref();

  return {
    countHere(bucket, key, requests) {
      const nowMs = clock.monotonic();
      const held = addHere(bucket, key, nowMs, requests);
      const isDue = held.own - held.told >= bucket.toldEvery && !held.isCrowd;
      if (isDue && !untold.has(held)) untold.set(held, { bucket, key, held });
      return countOf(held, held.own + held.others, nowMs);
    },
    async countShared(bucket, key) {
      const held = addHere(bucket, key, clock.monotonic());
      const answer = await addShared(bucket, key, 1);
      if (answer === null) rateLimitCountsAlone.add(1);
      else endWith(held, answer);
      return countOf(held, Math.max(held.own, answer?.consumedPoints ?? 0), clock.monotonic());
    },
    isShared,
    close: async () => {
      clearInterval(teller);
      client.disconnect();
    },
  };
}
