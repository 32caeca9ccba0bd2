import { describe, expect, test } from 'vitest';
import { limitSettings } from '#services/platform/config/limits.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { RATE_CLASSES } from '#services/platform/define/endpoint.ts';
import { limitBuckets } from './buckets.ts';

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
    expect(buckets.byClient.token.limit).toBe(6_000);
    expect(buckets.byClient.validate.limit).toBe(60_000);
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
  expect(limitOf()).toBe(300);
  expect(limitOf('user')).toBe(300);
  expect(limitOf('user', 'operator', 'agent')).toBe(1_500);
  expect(limitOf('guest', 'user')).toBe(300);
  // A limit of zero would lock the role out.
  expect(limitOf('guest')).toBe(1);
  expect(byUser('read', ['agent'])).toBe(byUser('write', ['agent']));
});
