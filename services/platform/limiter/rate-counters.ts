import { createHmac, hash } from 'node:crypto';
import { RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible';
import { rateLimitCountsAlone } from '#observability/metrics/limits.ts';
import type { Clock, RateBucket, RateCount, RateCounters } from '#services/core/ports.ts';
import { patient } from '../process/patience.ts';
import { connectClient } from '../redis/redis.ts';
import { type WindowCount, WindowCounts } from './window-counts.ts';

type RateCountersOptions = {
  readonly redisUrl: string;
  readonly onRedisError: (err: Error) => void;
  readonly clock: Clock;
  /** Key of the hashed names in Redis; the same in every copy. */
  readonly secret: string;
};

export type RedisRateCounters = RateCounters & {
  /** True while Redis answers, so that copies share their counts. */
  isShared(): boolean;
  close(): Promise<void>;
};

/** Waiting longer than this for Redis is worse than counting alone. */
const COMMAND_TIMEOUT_MS = 200;
/** Pause after a failure: a Redis that hangs costs one wait a second, not one for each request. */
const AWAY_MS = 1_000;
const SEND_EVERY_MS = 100;

type Unsent = { readonly bucket: RateBucket; readonly key: string; readonly held: WindowCount };

/**
 * Counts in Redis by rate-limiter-flexible, and always in memory too: when Redis does not answer, this copy continues
 * from its own counts, so that losing Redis opens no limit. Names in Redis are keyed hashes.
 */
export function createRateCounters(options: RateCountersOptions): RedisRateCounters {
  const { clock } = options;
  const client = connectClient(options.redisUrl, {
    maxRetriesPerRequest: 0,
    commandTimeout: patient(COMMAND_TIMEOUT_MS),
  });
  client.on('error', options.onRedisError);
  // The caller compares the points, because it knows the limit of this request.
  const points = Number.MAX_SAFE_INTEGER;
  const shared = new RateLimiterRedis({ storeClient: client, keyPrefix: 'limits', points, duration: 60 });
  const hashKey = hash('sha256', `sallyport rate limits\0${options.secret}`, 'buffer');
  const windows = new Map<string, WindowCounts>();
  const unsent = new Map<WindowCount, Unsent>();
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

  /** Adds to the count in Redis; null if Redis does not answer. Never rejects. */
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

  /** Ends a window when the shared window in Redis ends; an emptied Redis extends no window. */
  function endWith(held: WindowCount, answer: RateLimiterRes): void {
    if (held.isCrowd) return;
    held.endsAtMs = Math.min(held.endsAtMs, clock.monotonic() + answer.msBeforeNext);
  }

  const countOf = (held: WindowCount, used: number, nowMs: number): RateCount => ({
    used,
    resetMs: Math.max(0, held.endsAtMs - nowMs),
  });

  async function send(one: Unsent): Promise<void> {
    const { bucket, key, held } = one;
    const points = held.own - held.sent;
    if (points <= 0 || held.endsAtMs <= clock.monotonic()) return;
    const endsAtMs = held.endsAtMs;
    held.sent += points;
    const answer = await addShared(bucket, key, points);
    // A new window has begun meanwhile; this result does not apply to it.
    if (held.endsAtMs !== endsAtMs) return;
    if (answer === null) {
      held.sent -= points;
      unsent.set(held, one);
      return;
    }
    held.others = Math.max(0, answer.consumedPoints - held.sent);
    endWith(held, answer);
  }

  /** While Redis is unreachable, only counts of current windows are kept for it. */
  function sendAll(): void {
    if (unsent.size === 0) return;
    const waiting = [...unsent.values()];
    if (isShared()) {
      unsent.clear();
      for (const one of waiting) void send(one);
      return;
    }
    const nowMs = clock.monotonic();
    for (const { held } of waiting) if (held.endsAtMs <= nowMs) unsent.delete(held);
  }
  const timer = setInterval(sendAll, SEND_EVERY_MS);
  timer.unref();

  return {
    countHere(bucket, key, requests) {
      const nowMs = clock.monotonic();
      const held = addHere(bucket, key, nowMs, requests);
      const isDue = held.own - held.sent >= bucket.sentEvery && !held.isCrowd;
      if (isDue && !unsent.has(held)) unsent.set(held, { bucket, key, held });
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
      clearInterval(timer);
      client.disconnect();
    },
  };
}
