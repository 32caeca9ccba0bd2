import type { LimitBuckets } from '../domain/limits/buckets.ts';
import { type RateLimitResult, resultOf } from '../domain/limits/verdict.ts';
import type { Clock, RateCounters } from '../domain/ports.ts';
import { type Endpoint, rateClassOf } from '../platform/define/endpoint.ts';

/**
 * Counts one request of a user at an endpoint and says what its limit is: for what does not come over HTTP,
 * where every route is counted by itself.
 * @param roles of the user: the largest factor of RATE_LIMIT_ROLE_FACTORS among them applies
 * @example const { allowed, resetAt } = await validateRateLimit(ports, userId, listKeysEndpoint)
 */
export async function validateRateLimit(
  ports: { readonly rateCounters: RateCounters; readonly clock: Clock; readonly limitBuckets: LimitBuckets },
  userId: string,
  endpoint: Pick<Endpoint, 'limit' | 'path' | 'method'>,
  roles: readonly string[] = [],
): Promise<RateLimitResult> {
  const rateClass = rateClassOf(endpoint);
  const bucket = ports.limitBuckets.byUser(rateClass, roles);
  if (bucket !== null) {
    const count = await ports.rateCounters.countShared(bucket, userId);
    return resultOf({ bucket, count }, ports.clock.now());
  }
  const [validating] = ports.limitBuckets.byAddress[rateClass];
  const count = ports.rateCounters.countHere(validating!, userId);
  return resultOf({ bucket: validating!, count }, ports.clock.now());
}
