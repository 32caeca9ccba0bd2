import { randomInt } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { limitBuckets } from '#services/core/limits/buckets.ts';
import { createRequestLimits } from '#services/core/limits/request-limits.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { createRateCounters, type RedisRateCounters } from '#services/platform/limiter/rate-counters.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { testRedisUrl } from '#tools/testing/harness/stores.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { type App, createApp } from '../app.ts';
import { bind } from '../bind.ts';
import { rejectsAll } from '../route-harness.ts';
import { createCallerResolver } from './caller.ts';
import { identifyBy } from './rate-limits.ts';

const endpoint = defineEndpoint({
  method: 'GET',
  path: '/things',
  operation: 'readThings',
  summary: '',
  tag: 'Tokens',
  auth: 'public',
  responses: { 200: z.object({}) },
});
const sql = { query: () => Promise.reject(new Error('no database here')) };

const counters: RedisRateCounters[] = [];
const apps: App[] = [];

/** The rate limits of the API on a real Redis, with no proxy in front. */
async function openDoor(secret: string, env: Record<string, string>, trustedProxies: readonly string[] = []) {
  const rateCounters = createRateCounters({ redisUrl: proxy.url, onRedisError: () => {}, clock: systemClock, secret });
  counters.push(rateCounters);
  const limits = createRequestLimits(
    { rateCounters, sql, clock: systemClock, log: quietLog },
    limitBuckets(loadConfig(env).limits),
  );
  const app = createApp({ log: quietLog, trustedProxies, limiting: { limits, identify: identifyBy(rejectsAll) } });
  apps.push(app);
  bind({ app: app.fastify, callers: createCallerResolver(rejectsAll), bound: app.bound }, endpoint, () => ({}));
  await app.fastify.listen({ port: 0, host: '127.0.0.1' });
  await eventually('Redis', () => rateCounters.isShared());
  return `http://127.0.0.1:${(app.fastify.server.address() as AddressInfo).port}`;
}

const proxy = opened(() => startTcpProxy(testRedisUrl()));
afterAll(async () => {
  await Promise.all(apps.map((app) => app.fastify.close()));
  await Promise.all(counters.map((each) => each.close()));
});

test('forged forwarding addresses from an untrusted peer change nothing', async () => {
  const url = await openDoor(`forged ${Date.now()}`, { RATE_LIMIT_ADDRESS_PER_MINUTE: '4' });
  const names = ['x-forwarded-for', 'x-real-ip', 'forwarded', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip'];
  const statuses = [];
  for (const [index, name] of names.entries()) {
    const value = name === 'forwarded' ? `for=203.0.113.${index}` : `203.0.113.${index}`;
    statuses.push((await send(url, 'GET', '/things', { headers: { [name]: value } })).status);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
});

const anyAddress = () => `10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`;
const from = (url: string, address: string) => send(url, 'GET', '/things', { headers: { 'x-forwarded-for': address } });

test('the global limit refuses requests from every address', async () => {
  const url = await openDoor(`global ${Date.now()}`, { RATE_LIMIT_GLOBAL_PER_SECOND: '1' }, ['127.0.0.1']);
  // Windows last a second: of many requests at once some fall into the same one, even on a slow machine.
  const refused = await eventually('a refusal by the global limit', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => from(url, anyAddress())));
    return answers.find(({ status }) => status === 429);
  });
  expectProblem(refused, 429, 'rate_limited');
  expect(refused.headers.get('ratelimit-policy')).toBe('"global";q=1;w=1');
  expect(refused.headers.get('retry-after')).toBe('1');
});

test.each(['1', '600'])(
  'an address far over its limit of %s a minute does not affect any other address',
  async (perMinute) => {
    const url = await openDoor(
      `flood ${perMinute} ${Date.now()}`,
      { RATE_LIMIT_GLOBAL_PER_SECOND: '50', RATE_LIMIT_ADDRESS_PER_MINUTE: perMinute },
      ['127.0.0.1'],
    );
    const [flooding, abort] = [anyAddress(), new AbortController()];
    const refused: number[] = [];
    const flood = Array.from({ length: 8 }, async () => {
      while (!abort.signal.aborted) {
        const { status } = await from(url, flooding);
        if (status === 429) refused.push(status);
      }
    });
    try {
      await eventually('the flood', () => refused.length > 100);
      const seen = refused.length;
      // One window of the global limit (50) can overlap three of the flooding address (13 each): 11 are left for others.
      for (let turn = 0; turn < 11; turn += 1) expect((await from(url, anyAddress())).status).toBe(200);
      expect(refused.length).toBeGreaterThan(seen);
    } finally {
      abort.abort();
      await Promise.all(flood);
    }
  },
);

test('with Redis killed, requests are still limited and no answer is a 5xx', async () => {
  const url = await openDoor(`killed ${Date.now()}`, { RATE_LIMIT_ADDRESS_PER_MINUTE: '6' });
  const ask = async () => (await send(url, 'GET', '/things')).status;
  expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 200]);
  await proxy.cut();
  const statuses = [];
  for (let turn = 0; turn < 6; turn += 1) statuses.push(await ask());
  expect(statuses).toEqual([200, 200, 200, 429, 429, 429]);
  await proxy.restore();
});
