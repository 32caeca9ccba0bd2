import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import type { RateBucket } from '#services/domain/ports.ts';
import { eventually } from '#testing/eventually.ts';
import { testRedisUrl } from '#testing/harness/stores.ts';
import { startTcpProxy, type TcpProxy } from '#testing/processes/tcp-proxy.ts';
import { systemClock } from '../crypto/system.ts';
import { createRateCounters, type RedisRateCounters } from './rate-counters.ts';

const bucket: RateBucket = { name: 'test', limit: 5, windowSeconds: 60, counting: 'shared', toldEvery: 1 };
const secret = randomBytes(16).toString('hex');
const anyAddress = (): string => `198.51.100.${randomBytes(8).toString('hex')}`;

let proxy: TcpProxy;
let redis: Redis;
let first: RedisRateCounters;
let second: RedisRateCounters;
const errors: Error[] = [];

beforeAll(async () => {
  const url = testRedisUrl();
  proxy = await startTcpProxy(url);
  redis = new Redis(url);
  const common = { onRedisError: (err: Error) => void errors.push(err), clock: systemClock, secret };
  first = createRateCounters({ ...common, redisUrl: proxy.url });
  second = createRateCounters({ ...common, redisUrl: url });
  await untilShared();
});
afterAll(async () => {
  await Promise.all([first.close(), second.close(), redis.quit()]);
  await proxy.cut();
});

const untilShared = () => eventually('both copies to reach Redis', () => first.isShared() && second.isShared());
const countedAlone = (): number =>
  registry.collect().find(({ name }) => name === 'sallyport_rate_limit_counts_alone')?.series[0]?.value ?? 0;

describe('two copies', () => {
  test('share one count through Redis, each answer being right at once', async () => {
    // A command past its deadline is counted alone: on a busy machine another address is tried.
    await expect
      .poll(async () => {
        const address = anyAddress();
        const used = [];
        for (const copy of [first, second, first, second, second]) used.push(await copy.countShared(bucket, address));
        return used.map((count) => count.used);
      })
      .toEqual([1, 2, 3, 4, 5]);
  });

  test('a window is one for all: it ends where it began first', async () => {
    const long = { ...bucket, name: 'long' };
    await expect
      .poll(async () => {
        const address = anyAddress();
        await first.countShared({ ...long, windowSeconds: 100 }, address);
        return (await second.countShared({ ...long, windowSeconds: 3_600 }, address)).resetMs;
      })
      .toBeLessThanOrEqual(100_000);
  });

  test('what is counted in memory is told in the background, without a wait', async () => {
    const address = anyAddress();
    for (let turn = 0; turn < 7; turn += 1) expect(first.countHere(bucket, address).used).toBe(turn + 1);
    let own = 0;
    await expect.poll(() => second.countHere(bucket, address).used - ++own).toBeGreaterThanOrEqual(7);
    await expect.poll(() => first.countHere(bucket, address).used).toBeGreaterThan(7 + own);
  });

  test('a count below its share is not told: many addresses cost Redis nothing', async () => {
    const quiet: RateBucket = { ...bucket, name: 'quiet', toldEvery: 100 };
    const [busy, other] = [anyAddress(), anyAddress()];
    for (let turn = 0; turn < 99; turn += 1) first.countHere(quiet, other);
    for (let turn = 0; turn < 100; turn += 1) first.countHere(quiet, busy);
    await expect.poll(() => redis.keys('limits:{quiet:*')).toHaveLength(1);
    let own = 0;
    for (; own < 100; own += 1) second.countHere(quiet, busy);
    await expect.poll(() => second.countHere(quiet, busy).used - ++own).toBeGreaterThanOrEqual(100);
    expect(second.countHere(quiet, other).used).toBe(1);
  });

  test('names in Redis are keyed hashes, and none outlives its window', async () => {
    const address = '192.0.2.77';
    await second.countShared(bucket, address);
    const keys = await redis.keys('limits:*');
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      expect(key).toMatch(/^limits:\{[a-z]+:[\w-]{22}\}$/);
      expect(await redis.pttl(key)).toBeLessThanOrEqual(3_600_000);
      expect(await redis.pttl(key)).not.toBe(-1);
    }
  });
});

describe('Redis lost', () => {
  test('cut off: a used-up limit stays used up, and a fresh address is counted', async () => {
    const address = anyAddress();
    for (let turn = 0; turn < 5; turn += 1) await first.countShared(bucket, address);
    const alone = countedAlone();
    await proxy.cut();
    expect((await first.countShared(bucket, address)).used).toBe(6);
    const fresh = anyAddress();
    for (let turn = 1; turn <= 6; turn += 1) expect((await first.countShared(bucket, fresh)).used).toBe(turn);
    expect(countedAlone()).toBe(alone + 7);
    expect(first.countHere(bucket, anyAddress()).used).toBe(1);
    await proxy.restore();
    await untilShared();
  });

  test('silent: counting goes on alone, and one wait is not paid by each request', async () => {
    const address = anyAddress();
    await first.countShared(bucket, address);
    // On a busy machine that may have been counted alone.
    await untilShared();
    proxy.freeze();
    errors.length = 0;
    expect((await first.countShared(bucket, address)).used).toBe(2);
    expect(errors.length).toBeGreaterThan(0);
    expect(first.isShared()).toBe(false);
    first.countHere(bucket, address);
    proxy.thaw();
    await untilShared();
  });

  test('what could not be told is told when Redis is back', async () => {
    const address = anyAddress();
    await proxy.cut();
    for (let turn = 0; turn < 4; turn += 1) first.countHere(bucket, address);
    await proxy.restore();
    // An answer lost on the way is counted twice: more than there were is no error, fewer would be.
    let own = 0;
    await expect.poll(() => second.countHere(bucket, address).used - ++own).toBeGreaterThanOrEqual(4);
  });

  test('what ended while Redis was away is not told any more', async () => {
    const short: RateBucket = { ...bucket, name: 'short', windowSeconds: 1 };
    const address = anyAddress();
    await proxy.cut();
    const { resetMs } = first.countHere(short, address);
    const endsAt = performance.now() + resetMs;
    await eventually('the end of its window', () => performance.now() > endsAt + 150);
    await proxy.restore();
    await untilShared();
    const later = anyAddress();
    first.countHere(bucket, later);
    let own = 0;
    await expect.poll(() => second.countHere(bucket, later).used - ++own).toBeGreaterThanOrEqual(1);
    expect(await redis.keys('limits:{short:*')).toEqual([]);
  });

  test('emptied: this copy knows what it has counted', async () => {
    const address = anyAddress();
    for (let turn = 0; turn < 5; turn += 1) await first.countShared(bucket, address);
    await redis.flushdb();
    const after = await first.countShared(bucket, address);
    expect(after.used).toBe(6);
    expect(after.resetMs).toBeLessThanOrEqual(60_000);
  });
});
