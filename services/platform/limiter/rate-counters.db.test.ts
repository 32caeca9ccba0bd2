import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import type { RateBucket } from '#services/core/ports.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { testRedisUrl } from '#tools/testing/harness/stores.ts';
import { startTcpProxy, type TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { systemClock } from '../crypto/system.ts';
import { createRateCounters, type RedisRateCounters } from './rate-counters.ts';

asShipped();

const bucket: RateBucket = { name: 'test', limit: 5, windowSeconds: 60, counting: 'shared', sentEvery: 1 };
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
  test('copies share one count through Redis, and each answer includes all requests so far', async () => {
    // A copy counts alone if a command misses its deadline, as on a busy machine: then the test tries another address.
    await expect
      .poll(async () => {
        const address = anyAddress();
        const used = [];
        for (const copy of [first, second, first, second, second]) used.push(await copy.countShared(bucket, address));
        return used.map((count) => count.used);
      })
      .toEqual([1, 2, 3, 4, 5]);
  });

  test('copies share one window, which ends as the earliest copy began it', async () => {
    const long = { ...bucket, name: 'long' };
    await expect
      .poll(async () => {
        const address = anyAddress();
        await first.countShared({ ...long, windowSeconds: 100 }, address);
        return (await second.countShared({ ...long, windowSeconds: 3_600 }, address)).resetMs;
      })
      .toBeLessThanOrEqual(100_000);
  });

  test('counts in memory are sent to Redis in the background, without delaying the request', async () => {
    const address = anyAddress();
    for (let turn = 0; turn < 7; turn += 1) expect(first.countHere(bucket, address).used).toBe(turn + 1);
    let own = 0;
    await expect.poll(() => second.countHere(bucket, address).used - ++own).toBeGreaterThanOrEqual(7);
    await expect.poll(() => first.countHere(bucket, address).used).toBeGreaterThan(7 + own);
  });

  test('a count below the share of one copy is not sent: many addresses cost Redis nothing', async () => {
    const quiet: RateBucket = { ...bucket, name: 'quiet', sentEvery: 100 };
    const [busy, other] = [anyAddress(), anyAddress()];
    for (let turn = 0; turn < 99; turn += 1) first.countHere(quiet, other);
    for (let turn = 0; turn < 100; turn += 1) first.countHere(quiet, busy);
    await expect.poll(() => redis.keys('limits:{quiet:*')).toHaveLength(1);
    let own = 0;
    for (; own < 100; own += 1) second.countHere(quiet, busy);
    await expect.poll(() => second.countHere(quiet, busy).used - ++own).toBeGreaterThanOrEqual(100);
    expect(second.countHere(quiet, other).used).toBe(1);
  });

  test('names in Redis are keyed hashes, and expire with their window', async () => {
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
  test('Redis disconnected: a used-up limit stays used up, and a new address is counted', async () => {
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

  test('Redis silent: each copy counts alone, and not every request waits for Redis', async () => {
    const address = anyAddress();
    await first.countShared(bucket, address);
    // On a busy machine the copy may have counted this alone.
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

  test('counts that could not be sent are sent when Redis is back', async () => {
    const address = anyAddress();
    await proxy.cut();
    for (let turn = 0; turn < 4; turn += 1) first.countHere(bucket, address);
    await proxy.restore();
    // A lost reply counts twice: a count that is too high is permitted, one that is too low is not.
    let own = 0;
    await expect.poll(() => second.countHere(bucket, address).used - ++own).toBeGreaterThanOrEqual(4);
  });

  test('counts whose window ended during an outage of Redis are not sent', async () => {
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

  test('Redis emptied: a copy keeps its own counts', async () => {
    const address = anyAddress();
    for (let turn = 0; turn < 5; turn += 1) await first.countShared(bucket, address);
    await redis.flushdb();
    const after = await first.countShared(bucket, address);
    expect(after.used).toBe(6);
    expect(after.resetMs).toBeLessThanOrEqual(60_000);
  });
});
