import { expect, test } from 'vitest';
import type { LimitBucket } from './buckets.ts';
import { type Counted, limitRefusalOf, limitResultOf, rateLimitHeaders, usedUp } from './limit-headers.ts';

const counted = (name: string, used: number, limit: number, resetMs = 60_000): Counted => ({
  bucket: {
    name,
    level: 'class',
    setting: `LIMIT_${name.toUpperCase()}`,
    limit,
    windowSeconds: 60,
    counting: 'here',
    sentEvery: 1,
  } satisfies LimitBucket,
  count: { used, resetMs },
});

test('a limit of n admits exactly n requests per window', () => {
  expect(usedUp([counted('a', 10, 10)])).toBeUndefined();
  expect(usedUp([counted('a', 11, 10)])?.bucket.name).toBe('a');
  expect(usedUp([])).toBeUndefined();
});

test('of several used-up limits the one that resets last sets Retry-After', () => {
  const soon = counted('soon', 11, 10, 900);
  const late = counted('late', 2, 1, 30_001);
  expect(usedUp([soon, counted('free', 1, 10), late])).toBe(late);
  expect(usedUp([late, soon])).toBe(late);
  expect(limitRefusalOf(late, [soon, late])).toEqual({
    detail: 'More than 1 requests in 60 s; the limit is LIMIT_LATE.',
    retryAfterSeconds: 31,
    headers: { 'ratelimit-policy': '"soon";q=10;w=60, "late";q=1;w=60', ratelimit: '"late";r=0;t=31' },
  });
});

test('Retry-After is at least a second', () =>
  expect(limitRefusalOf(counted('a', 2, 1, 0), []).retryAfterSeconds).toBe(1));

test('RateLimit shows the limit closest to exhaustion, RateLimit-Policy all of them, as structured fields', () => {
  expect(rateLimitHeaders([])).toEqual({});
  expect(rateLimitHeaders([counted('one', 4, 10, 1_500)])).toEqual({
    'ratelimit-policy': '"one";q=10;w=60',
    ratelimit: '"one";r=6;t=2',
  });
  const headers = rateLimitHeaders([counted('address', 30, 600), counted('user', 200, 300)]);
  expect(headers).toEqual({
    'ratelimit-policy': '"address";q=600;w=60, "user";q=300;w=60',
    ratelimit: '"user";r=100;t=60',
  });
  expect(rateLimitHeaders([counted('user', 200, 300), counted('address', 30, 600)]).ratelimit).toBe(headers.ratelimit);
  expect(rateLimitHeaders([counted('soon', 5, 10, 1_000), counted('late', 5, 10, 9_000)]).ratelimit).toContain('late');
  expect(rateLimitHeaders([counted('late', 5, 10, 9_000), counted('soon', 5, 10, 1_000)]).ratelimit).toContain('late');
});

test('RateLimitResult reflects the count', () => {
  expect(limitResultOf(counted('user', 300, 300, 12_000), 1_000)).toEqual({
    allowed: true,
    limit: 300,
    remaining: 0,
    resetAt: 13_000,
  });
  expect(limitResultOf(counted('user', 301, 300, 12_000), 1_000)).toMatchObject({ allowed: false, remaining: 0 });
});

test('resetAt is the whole millisecond by which the window has ended', () => {
  // Windows are measured on a clock with fractions of milliseconds.
  expect(limitResultOf(counted('user', 1, 300, 12_000.25), 1_000).resetAt).toBe(13_001);
});
