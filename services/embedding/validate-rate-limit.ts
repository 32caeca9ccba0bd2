import type { LimitBuckets } from '../core/limits/buckets.ts';
import { limitResultOf, type RateLimitResult } from '../core/limits/limit-headers.ts';
import type { Clock, RateCounters } from '../core/ports.ts';
import { type Endpoint, rateClassOf } from '../platform/define/endpoint.ts';

/**
 * Counts one request of a user against the limit of an endpoint. Use it for work that does not arrive over HTTP: HTTP
 * routes are counted already.
 * @param roles the user's roles: the largest of their RATE_LIMIT_ROLE_FACTORS applies
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
    return limitResultOf({ bucket, count }, ports.clock.now());
  }
  // Classes without a limit by user (validate) are counted by the limit for an address, in this copy alone.
  const [addressBucket] = ports.limitBuckets.byAddress[rateClass];
  const count = ports.rateCounters.countHere(addressBucket!, userId);
  return limitResultOf({ bucket: addressBucket!, count }, ports.clock.now());
}
