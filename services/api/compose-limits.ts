import { limitBuckets } from '../core/limits/buckets.ts';
import { createRequestLimits } from '../core/limits/request-limits.ts';
import { rateLimitProfileOf, unresolvedAddressWarning } from '../platform/config/limits.ts';
import { createRateCounters } from '../platform/limiter/rate-counters.ts';
import type { Views } from './compose-views.ts';

/** Limits of one API or MCP process; the rates have their own connection to Redis. */
export function composeLimits({ input, outside }: Pick<Views, 'input' | 'outside'>) {
  const { config, authSecret, redisUrl, log } = input;
  const warning = unresolvedAddressWarning(config.server);
  if (warning !== null) log.warn({ warning }, 'rate limits');
  const rateCounters = createRateCounters({
    redisUrl,
    secret: authSecret,
    onRedisError: outside.onRedisError,
    clock: outside.clock,
  });
  const buckets = limitBuckets({ ...config.limits, profile: rateLimitProfileOf(config) });
  return {
    rateCounters,
    limitBuckets: buckets,
    openSignOffsMax: config.limits.openSignOffsPerRequester,
    limits: createRequestLimits({ ...outside, rateCounters }, buckets),
  };
}
