import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { beforeEach, describe, expect, test } from 'vitest';
import { limitBuckets } from '#services/core/limits/buckets.ts';
import { createRequestLimits, type RequestLimits } from '#services/core/limits/request-limits.ts';
import type { Caller, RateBucket, RateCount, RateCounters, Sql } from '#services/core/ports.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { WindowCounts } from '#services/platform/limiter/window-counts.ts';
import { clientCaller, quietLog, userCaller } from '#tools/testing/harness/ports.ts';
import { rejectsAll } from '../route-harness.ts';
import { createCallerResolver } from './caller.ts';
import { admitUnrouted, identifyBy, limitCallers, limitRequests } from './rate-limits.ts';

const { limits: settings } = loadConfig({
  RATE_LIMIT_USER_PER_MINUTE: '2',
  RATE_LIMIT_ADDRESS_PER_MINUTE: '4',
  RATE_LIMIT_VALIDATE_PER_MINUTE: '6',
  RATE_LIMIT_CLIENT_PER_MINUTE: '3',
});
const clock = { now: () => 960_000, monotonic: () => 0 };

/** One copy with separate counts: real windows, no Redis. */
function countersAlone(): RateCounters {
  const windows = new Map<string, WindowCounts>();
  const count = ({ name, windowSeconds }: RateBucket, key: string, requests?: number): RateCount => {
    const window = windows.get(name) ?? new WindowCounts(windowSeconds * 1_000, 0);
    windows.set(name, window);
    const { own, endsAtMs } = window.add(key, 0, requests);
    return { used: own, resetMs: endsAtMs };
  };
  return { countHere: count, countShared: async (bucket, key) => count(bucket, key) };
}

const client = (clientId: string): Caller => clientCaller(clientId, ['keys:read']);
const user = (userId: string): Caller =>
  userCaller(userId, { permissions: new Set(userId === 'eve' ? [] : ['keys:read']) });
const authenticators = {
  ...rejectsAll,
  bearer: (token: string) => user(token),
  client: (id: string, secret: string) => (secret === 's' ? client(id) : null),
  csrfPasses: () => true,
};
const guarded = { accepts: ['client', 'bearer'], for: 'anyone', permission: 'keys:read' };
const endpoints: Record<string, Partial<Endpoint>> = {
  '/open': { auth: 'public' },
  '/own': { auth: guarded as never },
  '/long': { auth: guarded as never, bodyLimit: 70_000 },
  '/batch': { auth: guarded as never, limit: 'validate', limitItems: ['tokens', 'more'] },
};

let app: FastifyInstance;
let limits: RequestLimits;
beforeEach(async () => {
  const sql: Sql = { query: async () => [] };
  limits = createRequestLimits({ rateCounters: countersAlone(), sql, clock, log: quietLog }, limitBuckets(settings));
  app = Fastify({ trustProxy: true });
  limitRequests(app, { limits, identify: identifyBy(authenticators) });
  app.setErrorHandler((err, _request, reply) =>
    isAppError(err)
      ? reply
          .code(err.definition.status)
          .headers({ ...err.options.headers })
          .send({ code: err.code })
      : reply.code(500).send({ code: String(err) }),
  );
  const known = createCallerResolver(authenticators);
  const [callers, beforeBody] = [limitCallers(known, limits), limitCallers(known, limits, true)];
  for (const [url, endpoint] of Object.entries(endpoints)) {
    const { forEndpoint } = endpoint.bodyLimit === undefined ? callers : beforeBody;
    const resolve = forEndpoint({ method: 'POST', path: url, responses: {}, ...endpoint } as Endpoint);
    app.post(url, { config: { endpoint: { path: url, method: 'POST', ...endpoint } as Endpoint } }, async (sent) => {
      await resolve(sent);
      return {};
    });
  }
  await app.ready();
  return () => app.close();
});

type Sent = { readonly from?: string; readonly as?: string; readonly body?: object };
async function ask(url: string, { from = '192.0.2.1', as, body = {} }: Sent = {}) {
  const headers = { 'x-forwarded-for': from, ...(as === undefined ? {} : { authorization: as }) };
  const { statusCode, headers: answered } = await app.inject({ method: 'POST', url, headers, payload: body });
  return { status: statusCode, limit: String(answered.ratelimit), policy: String(answered['ratelimit-policy']) };
}
const basic = (id: string, secret = 's') => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
const statuses = async (count: number, work: () => Promise<{ readonly status: number }>): Promise<number[]> => {
  const seen: number[] = [];
  for (let turn = 0; turn < count; turn += 1) seen.push((await work()).status);
  return seen;
};

describe('a request', () => {
  test('counts by its address on every route and on unknown paths, and is answered with what is left', async () => {
    expect(await ask('/open')).toMatchObject({ status: 200, limit: '"address";r=3;t=60' });
    expect(await ask('/nowhere')).toMatchObject({ status: 404, limit: '"address";r=2;t=60' });
    await admitUnrouted({ limits, identify: () => null }, { ip: '192.0.2.1' });
    expect(await ask('/open')).toMatchObject({ status: 200, limit: '"address";r=0;t=60' });
    expect(await ask('/open')).toMatchObject({ status: 429, limit: '"address";r=0;t=60' });
    expect((await ask('/open', { from: '198.51.100.1' })).status, 'another address').toBe(200);
    await expect(admitUnrouted({ limits, identify: () => null }, { ip: '192.0.2.1' })).rejects.toMatchObject({
      code: 'rate_limited',
    });
  });

  test('of an authenticated client counts by that client, from any address', async () => {
    const addresses = ['192.0.2.1', '192.0.2.2', '198.51.100.1', '203.0.113.1'];
    const asClient = () => ask('/own', { as: basic('c'), from: addresses.shift() ?? '' });
    expect(await asClient()).toMatchObject({ policy: '"client";q=3;w=60' });
    expect(await statuses(3, asClient)).toEqual([200, 200, 429]);
    expect((await ask('/own', { as: basic('other') })).status).toBe(200);
  });

  test('with a wrong secret counts by its address', async () =>
    expect(await ask('/own', { as: basic('c', 'wrong') })).toMatchObject({ status: 401, limit: '"address";r=3;t=60' }));
});

describe('a user', () => {
  test('of a known caller counts by the address and by the caller, each up to its own limit', async () => {
    expect((await ask('/own', { as: 'Bearer ada' })).policy).toBe('"address";q=4;w=60, "user";q=2;w=60');
    expect(await statuses(2, () => ask('/own', { as: 'Bearer ada' }))).toEqual([200, 429]);
    expect((await ask('/own', { as: 'Bearer bob' })).status, 'another user at the address').toBe(200);
  });

  test('that is refused for a missing permission still counts', async () => {
    expect(await statuses(3, () => ask('/own', { as: 'Bearer eve' }))).toEqual([403, 403, 429]);
    expect(await statuses(1, () => ask('/long', { as: 'Bearer eve', from: '192.0.2.9' }))).toEqual([429]);
    expect(await statuses(3, () => ask('/long', { as: 'Bearer ada', from: '192.0.2.9' }))).toEqual([200, 200, 200]);
  });
});

describe('a batch', () => {
  test('counts each item of all its lists before any is processed', async () => {
    const body = { tokens: [1, 2], more: [3] };
    expect((await ask('/batch', { as: 'Bearer ada', body })).limit).toMatch(/^"validate";r=3;/);
    expect((await ask('/batch', { as: 'Bearer ada', body: { tokens: [1] } })).limit, 'one is no more').toMatch(/r=2;/);
    expect(await ask('/batch', { as: 'Bearer ada', body })).toMatchObject({ status: 429 });
  });
});

const known = clientCaller('c');
const identify = identifyBy({
  bearer: (token) => {
    if (token === 'undecidable') throw new Error('revocation state stale');
    return token === 'good' ? known : null;
  },
  client: (id, secret) => (id === 'c' && secret === 's' ? known : null),
});
const asked = (authorization: string | undefined, accepts: Parameters<typeof identify>[1]): Caller | null => {
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: false };
  const headers = authorization === undefined ? {} : { authorization };
  return identify({ headers, method: 'GET', ip: '192.0.2.1', url: '/', trace } as unknown as FastifyRequest, accepts);
};
const basicOf = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

describe('the caller that the headers authenticate, before a body is read', () => {
  test('a client by its secret, where the endpoint accepts clients', () => {
    expect(asked(basicOf('c:s'), ['client'])).toBe(known);
    expect(asked(basicOf('c:wrong'), ['client'])).toBeNull();
    expect(asked(basicOf('c:s'), ['bearer', 'session'])).toBeNull();
  });

  test('the owner of a bearer token, where the endpoint accepts tokens', () => {
    expect(asked('Bearer good', ['client', 'bearer'])).toBe(known);
    expect(asked('Bearer bad', ['bearer'])).toBeNull();
    expect(asked('Bearer good', ['client'])).toBeNull();
    expect(asked('Bearer good', [])).toBeNull();
  });

  test('no caller, where nothing readable was sent or validity is unknown', () => {
    expect(asked(undefined, ['client', 'bearer', 'session'])).toBeNull();
    expect(asked('Basic %%%', ['client'])).toBeNull();
    expect(asked('Bearer undecidable', ['bearer'])).toBeNull();
  });
});
