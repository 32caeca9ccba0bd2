import { describe, expect, test } from 'vitest';
import { limitSettings } from '#services/platform/config/limits.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { RATE_CLASSES } from '#services/platform/define/endpoint.ts';
import { type LimitBucket, limitBuckets } from './buckets.ts';
import { type Counted, limitRefusalOf, limitResultOf, rateLimitHeaders, usedUp } from './limit-headers.ts';

const bucketsOf = (env: Record<string, string> = {}) => limitBuckets(loadConfig(env).limits);
const allOf = ({
  global,
  clients,
  addressSecond,
  probe,
  byAddress,
  byClient,
  byUser,
}: ReturnType<typeof bucketsOf>) => [
  ...[global, clients, addressSecond, probe, byUser('read', [])],
  ...Object.values(byAddress).flat(),
  ...Object.values(byClient),
];

describe('default limits', () => {
  const buckets = bucketsOf();

  test('are 5,000 a second globally; 600 per address, 300 per user and 10 credentials a minute', () => {
    expect(buckets.global).toMatchObject({ limit: 5_000, windowSeconds: 1, counting: 'here' });
    expect(buckets.byUser('read', ['user'])).toMatchObject({ limit: 300, windowSeconds: 60, counting: 'shared' });
    const [credential, address] = buckets.byAddress.credential;
    expect(credential).toMatchObject({ level: 'class', limit: 10, counting: 'shared' });
    expect(address).toMatchObject({ level: 'address', limit: 600, counting: 'shared' });
    expect([buckets.byClient.token.limit, buckets.byClient.validate.limit]).toEqual([6_000, 60_000]);
  });

  test('every class counts in a bucket of the address and in one of the client', () => {
    for (const rateClass of RATE_CLASSES) {
      expect(buckets.byAddress[rateClass].length).toBeGreaterThan(0);
      expect(buckets.byClient[rateClass].limit).toBeGreaterThan(0);
    }
  });

  test('ordinary requests share one bucket per address; tokens and validations have separate ones, in memory', () => {
    const address = buckets.byAddress.read;
    for (const rateClass of ['write', 'admin'] as const) expect(buckets.byAddress[rateClass]).toBe(address);
    for (const rateClass of ['token', 'validate', 'log'] as const)
      expect(buckets.byAddress[rateClass]).toMatchObject([{ name: rateClass, level: 'class', counting: 'here' }]);
    expect(buckets.byUser('validate', [])).toBeNull();
  });

  test('bucket names are unique: no two limits share a count', () => {
    const distinct = new Set(allOf(buckets));
    expect(new Set([...distinct].map((bucket) => bucket?.name)).size).toBe(distinct.size);
  });

  test('copies exchange counts at a hundredth of the limit, and at every request for a small limit', () => {
    expect(buckets.byAddress.validate[0]?.sentEvery).toBe(600);
    expect(bucketsOf({ RATE_LIMIT_VALIDATE_PER_MINUTE: '3' }).byAddress.validate[0]?.sentEvery).toBe(1);
  });
});

test('RATE_LIMIT_PROFILE=load multiplies every limit by 1,000, and nothing else', () => {
  const { global, clients, addressSecond, byAddress, byClient, byApiKey, byUser, probe } = bucketsOf({
    RATE_LIMIT_PROFILE: 'load',
  });
  expect(global).toMatchObject({ limit: 5_000_000, windowSeconds: 1 });
  expect([clients.limit, addressSecond.limit]).toEqual([5_000_000, 1_250_000]);
  expect(byAddress.credential.map(({ limit }) => limit)).toEqual([10_000, 600_000]);
  expect([byAddress.token[0]?.limit, byAddress.validate[0]?.limit]).toEqual([6_000_000, 60_000_000]);
  expect([byClient.read.limit, byClient.validate.limit]).toEqual([6_000_000, 60_000_000]);
  expect([byUser('write', [])?.limit, probe.limit]).toEqual([300_000, 600_000]);
  expect([byApiKey(2).limit, bucketsOf({}).byApiKey(2).limit]).toEqual([2_000, 2]);
});

test('RATE_LIMIT_PROFILE=development multiplies every limit by 20', () => {
  const { global, byAddress, byUser } = bucketsOf({ RATE_LIMIT_PROFILE: 'development' });
  expect(byAddress.credential.map(({ limit }) => limit)).toEqual([200, 12_000]);
  expect([global.limit, byUser('write', [])?.limit]).toEqual([100_000, 6_000]);
});

test('every limit names where an operator sets it', () => {
  const buckets = bucketsOf();
  const settings = Object.values(limitSettings).map(({ env }) => env);
  for (const bucket of allOf(buckets)) expect(settings).toContain(bucket?.setting);
  expect(buckets.byAddress.credential[0]?.setting).toBe('RATE_LIMIT_CREDENTIAL_PER_MINUTE');
  expect(buckets.byApiKey(2).setting).toBe('requests_per_minute of the API key');
});

test('a user gets the largest factor of its roles; a role without a factor has factor 1', () => {
  const { byUser } = bucketsOf({ RATE_LIMIT_ROLE_FACTORS: 'agent=5, operator=2, guest=0.001' });
  const limitOf = (...roles: string[]) => byUser('read', roles)?.limit;
  expect([limitOf(), limitOf('user'), limitOf('user', 'operator', 'agent')]).toEqual([300, 300, 1_500]);
  expect(limitOf('guest', 'user')).toBe(300);
  // A limit of zero would lock the role out.
  expect(limitOf('guest')).toBe(1);
  expect(byUser('read', ['agent'])).toBe(byUser('write', ['agent']));
});

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
