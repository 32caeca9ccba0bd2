import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createVault } from '../../../platform/crypto/vault.ts';
import { connectRedis, type RedisConnection } from '../../../platform/redis/redis.ts';
import { testRedisUrl } from '../../../platform/testing/stores.ts';
import type { RevocationSet } from '../../tokens/revocations/revocation-set.ts';
import { createSessionCache } from './session.cache.ts';

let redis: RedisConnection;
beforeAll(() => {
  redis = connectRedis(testRedisUrl(), () => {});
});
afterAll(() => redis.close());

test('a cached session is believed for five minutes of our clock, however young Redis thinks it is', async () => {
  await expect.poll(() => redis.isReady()).toBe(true);
  let nowMs = 1_800_000_000_000;
  const cache = createSessionCache(
    {
      redis,
      vault: createVault(randomBytes(32)),
      clock: { now: () => nowMs, monotonic: () => nowMs },
      revocations: { state: () => ({ incarnation: 'one' }) } as RevocationSet,
    },
    () => true,
  );
  const value = JSON.stringify({ session: { id: 's' }, user: { id: 'u', tokenEpoch: 0 } });
  await cache.set('token', value, 86_400);
  nowMs += 299_000;
  expect(await cache.get('token')).toBe(value);
  nowMs += 1_000;
  expect(await cache.get('token')).toBeNull();
});
