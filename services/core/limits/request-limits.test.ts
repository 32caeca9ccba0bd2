import { beforeEach, describe, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { validateRateLimit } from '#services/embedding/validate-rate-limit.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { WindowCounts } from '#services/platform/limiter/window-counts.ts';
import { clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Caller, RateBucket, RateCount, RateCounters, Sql } from '../ports.ts';
import { limitBuckets } from './buckets.ts';
import {
  type ArrivedRequest,
  createRequestLimits,
  type RequestAdmission,
  type RequestLimits,
} from './request-limits.ts';

const { request } = testCaller;
const user = (permissions: readonly string[] = [], roles?: readonly string[]): Caller =>
  userCaller('u1', { permissions: new Set(permissions), ...(roles ? { roles } : {}) });

let nowMs = 0;
const clock = { now: () => 960_000 + nowMs, monotonic: () => nowMs };

/** One copy without Redis: real windows, counted locally. */
function countersAlone(): RateCounters {
  const windows = new Map<string, WindowCounts>();
  const count = ({ name, windowSeconds }: RateBucket, key: string, requests?: number): RateCount => {
    const window = windows.get(name) ?? new WindowCounts(windowSeconds * 1_000, nowMs);
    windows.set(name, window);
    const { own, endsAtMs } = window.add(key, nowMs, requests);
    return { used: own, resetMs: endsAtMs - nowMs };
  };
  return { countHere: count, countShared: async (bucket, key) => count(bucket, key) };
}

const SMALL = {
  RATE_LIMIT_GLOBAL_PER_SECOND: '50',
  RATE_LIMIT_USER_PER_MINUTE: '3',
  RATE_LIMIT_ROLE_FACTORS: 'agent=2',
  RATE_LIMIT_ADDRESS_PER_MINUTE: '4',
  RATE_LIMIT_CREDENTIAL_PER_MINUTE: '2',
  RATE_LIMIT_TOKEN_PER_MINUTE: '5',
  RATE_LIMIT_VALIDATE_PER_MINUTE: '6',
  RATE_LIMIT_CLIENT_PER_MINUTE: '3',
};
const buckets = limitBuckets(loadConfig(SMALL).limits);

let rows: unknown[][] = [];
let isDatabaseDown = false;
const warnings: string[] = [];
const sql: Sql = {
  query: async (_statement, values = []) => {
    if (isDatabaseDown) throw new Error('down');
    rows.push([...values]);
    return [];
  },
};
const log = {
  debug: () => {},
  info: () => {},
  warn: (_f: object, text: string) => void warnings.push(text),
  error: () => {},
};

let rateCounters: RateCounters;
let limits: RequestLimits;
beforeEach(() => {
  nowMs = 0;
  rows = [];
  isDatabaseDown = false;
  warnings.length = 0;
  rateCounters = countersAlone();
  limits = createRequestLimits({ rateCounters, sql, clock, log }, buckets);
});

const arrive = (changes: Partial<ArrivedRequest> = {}): ArrivedRequest => ({
  rateClass: 'read',
  isProbe: false,
  ip: '192.0.2.1',
  namesClient: false,
  identify: () => null,
  ...changes,
});
/** The name of the limit that refuses, or the names of those the request counted in. */
async function outcome(work: () => RequestAdmission | null | Promise<RequestAdmission | null>): Promise<string> {
  try {
    return (await work())?.counted.map(({ bucket }) => bucket.name).join() ?? 'uncounted';
  } catch (err) {
    if (!isAppError(err)) throw err;
    expect(err.code).toBe('rate_limited');
    expect(err.options.retryAfterSeconds).toBeGreaterThanOrEqual(1);
    return `refused by ${/^"([a-z-]+)";r=0;t=\d+$/.exec(err.options.headers?.ratelimit ?? '')?.[1]}`;
  }
}
const admit = (changes?: Partial<ArrivedRequest>) => outcome(() => limits.admitRequest(arrive(changes)));
async function times(count: number, work: () => Promise<string>): Promise<string[]> {
  const outcomes = [];
  for (let turn = 0; turn < count; turn += 1) outcomes.push(await work());
  return outcomes;
}
const refusals = () =>
  Object.fromEntries(
    (registry.collect().find(({ name }) => name === 'sallyport_rate_limit_refusals')?.series ?? []).map((series) => [
      `${series.labels.level} ${series.labels.class}`,
      series.value,
    ]),
  );

describe('before the body is read', () => {
  test('an address is limited over all ordinary classes together; another address is not affected', async () => {
    expect(await admit({ rateClass: 'write' })).toBe('address');
    expect(await times(3, () => admit())).toEqual(['address', 'address', 'address']);
    const before = refusals()['address admin'] ?? 0;
    expect(await admit({ rateClass: 'admin' })).toBe('refused by address');
    expect(refusals()['address admin']).toBe(before + 1);
    expect(await admit({ ip: '192.0.2.2' })).toBe('address');
    nowMs += 60_000;
    expect(await admit()).toBe('address');
  });

  test('an IPv6 client cannot get a new count by changing its address within its /64', async () => {
    for (const tail of ['1', '2', 'a:b:c:d', 'ffff::'])
      expect(await admit({ ip: `2001:db8:0:7:${tail}` })).not.toContain('refused');
    expect(await admit({ ip: '2001:db8:0:7::99' })).toBe('refused by address');
    expect(await admit({ ip: '2001:db8:0:8::99' })).toBe('address');
  });

  test('credential routes have an additional, stricter limit', async () => {
    const flood = () => admit({ rateClass: 'credential' });
    expect(await times(3, flood)).toEqual(['credential,address', 'credential,address', 'refused by credential']);
    expect(await times(2, () => admit())).toEqual(['address', 'refused by address']);
  });

  test('tokens and validations are counted immediately, each separately from ordinary requests', async () => {
    expect(limits.admitRequest(arrive({ rateClass: 'validate' }))).not.toBeInstanceOf(Promise);
    expect((await times(6, () => admit({ rateClass: 'validate' }))).at(-1)).toBe('refused by validate');
    nowMs += 1_000;
    expect((await times(6, () => admit({ rateClass: 'token' }))).at(-1)).toBe('refused by token');
    expect(await admit()).toBe('address');
  });

  test('the global limit refuses every address, and resets after its second', async () => {
    let address = 0;
    const anyAddress = () => admit({ rateClass: 'token', ip: `198.51.100.${address++}` });
    expect((await times(50, anyAddress)).filter((text) => text !== 'token')).toEqual([]);
    expect(await anyAddress()).toBe('refused by global');
    nowMs += 1_000;
    expect(await anyAddress()).toBe('token');
  });

  test('an address that sends a thousand times its limit does not affect others', async () => {
    for (const rateClass of ['read', 'credential', 'token', 'validate'] as const)
      expect((await times(1_000, () => admit({ rateClass }))).at(-1)).toContain('refused by address-second');
    nowMs += 1_000;
    expect((await times(10, () => admit())).at(-1)).toBe('refused by address');
    for (let other = 1; other <= 37; other += 1)
      expect(await admit({ ip: `198.51.100.${other}` }), `address ${other}`).toBe('address');
  });

  test('an address within its limits for a minute uses at most a quarter of the global limit of a second', async () => {
    const generous = limitBuckets(loadConfig({ ...SMALL, RATE_LIMIT_VALIDATE_PER_MINUTE: '60000' }).limits);
    limits = createRequestLimits({ rateCounters, sql, clock, log }, generous);
    const outcomes = await times(50, () => admit({ rateClass: 'validate' }));
    expect(outcomes.filter((text) => text === 'validate')).toHaveLength(13);
    expect(outcomes.at(-1)).toBe('refused by address-second');
    for (let other = 1; other <= 37; other += 1)
      expect(await admit({ ip: `198.51.100.${other}`, rateClass: 'validate' })).toBe('validate');
  });

  test('health checks answer while every other limit is used up, and have a separate limit', async () => {
    await times(60, () => admit());
    expect(await times(5, () => admit({ isProbe: true }))).toEqual([
      ...Array.from({ length: 4 }, () => 'probe'),
      'refused by probe',
    ]);
  });
});

describe('clients', () => {
  const service = { namesClient: true, identify: () => clientCaller('c1') };

  test('an authenticated client has a separate bucket, and other requests from its address do not block it', async () => {
    expect((await times(5, () => admit())).at(-1)).toBe('refused by address');
    expect(await times(4, () => admit(service))).toEqual(['client', 'client', 'client', 'refused by client']);
    expect(await admit({ namesClient: true, identify: () => clientCaller('c2') })).toBe('client');
    // Nor does it use up the limit of its address.
    expect(await admit({ ...service, ip: '192.0.2.9' })).toBe('refused by client');
    expect(await times(4, () => admit({ ip: '192.0.2.9' }))).not.toContain('refused by address');
  });

  test.each([
    ['by its secret', true],
    ['by its token', false],
  ])('a vetted client authenticated %s is served while others use up the global limit', async (_how, namesClient) => {
    let address = 0;
    const anyAddress = () => admit({ rateClass: 'token', ip: `198.51.100.${address++}` });
    expect((await times(51, anyAddress)).at(-1)).toBe('refused by global');
    const known = { namesClient, identify: () => clientCaller('c1') };
    expect(await times(4, () => admit({ ...known, rateClass: 'token' }))).toEqual([
      'client',
      'client',
      'client',
      'refused by client',
    ]);
    const registered = { namesClient, identify: () => ({ ...clientCaller('c2'), isVetted: false }) };
    expect(await admit({ ...registered, rateClass: 'token', ip: '192.0.2.9' })).toBe('refused by global');
  });

  test('vetted clients together have a limit as large as the global one', async () => {
    let client = 0;
    const anyClient = () => admit({ namesClient: true, identify: () => clientCaller(`c-${client++}`) });
    expect((await times(50, anyClient)).filter((text) => text !== 'client')).toEqual([]);
    expect(await anyClient()).toBe('refused by clients');
    nowMs += 1_000;
    expect(await anyClient()).toBe('client');
  });

  test.each([
    ['by its secret', true],
    ['by its token', false],
  ])('an unvetted client authenticated %s also counts by its address', async (_how, namesClient) => {
    const stranger = (clientId: string) => ({ ...clientCaller(clientId), isVetted: false });
    const made = (turn: number) => ({ namesClient, identify: () => stranger(`own-${turn}`) });
    const outcomes = [];
    for (let turn = 0; turn < 5; turn += 1) outcomes.push(await admit(made(turn)));
    expect(outcomes).toEqual([...Array.from({ length: 4 }, () => 'address'), 'refused by address']);
    const before = await limits.admitRequest(arrive({ ...made(0), ip: '192.0.2.9' }));
    const asCaller = () => outcome(() => limits.admitCaller(stranger('own-0'), 'read', before));
    expect(await times(4, asCaller)).toEqual([
      ...Array.from({ length: 3 }, () => 'address,client'),
      'refused by client',
    ]);
  });

  test('introspection has a bucket as large as validation', async () => {
    const introspect = () => admit({ ...service, rateClass: 'validate' });
    expect((await times(7, introspect)).slice(-2)).toEqual(['client-validate', 'refused by client-validate']);
  });

  test('a client with a wrong secret counts by its address', async () =>
    expect(await admit({ namesClient: true })).toBe('address'));

  test.each(['bearer', 'api_key'] as const)(
    'a client authenticated by its %s counts in its client bucket once the address is used up',
    async (by) => {
      const byBearer = { identify: () => ({ ...clientCaller('c1'), by }) };
      expect(await times(4, () => admit(byBearer))).toEqual(Array.from({ length: 4 }, () => 'address'));
      expect(await times(2, () => admit(byBearer))).toEqual(['client', 'client']);
      await times(6, () => admit({ rateClass: 'token' }));
      expect(await times(2, () => admit({ ...byBearer, rateClass: 'token' }))).toEqual(['client', 'refused by client']);
    },
  );

  test('a client is counted once, wherever it was authenticated', async () => {
    const early = await limits.admitRequest(arrive(service));
    expect(limits.admitCaller(clientCaller('c1'), 'read', early)).toBeNull();
    const late = await limits.admitRequest(arrive());
    expect(await outcome(() => limits.admitCaller(clientCaller('c1'), 'read', late))).toBe('address,client');
  });
});

describe('batches', () => {
  test('each item counts as a request of the address or the client, but not globally', async () => {
    const batch = async (items: number, changes: Partial<ArrivedRequest> = {}) => {
      const admission = await limits.admitRequest(arrive({ rateClass: 'validate', ...changes }));
      return outcome(() => limits.admitItems(items - 1, 'validate', admission));
    };
    expect(await batch(6)).toBe('validate');
    expect(await admit({ rateClass: 'validate' })).toBe('refused by validate');
    expect(await batch(7, { ip: '192.0.2.8' })).toBe('refused by validate');
    const service = { namesClient: true, identify: () => clientCaller('c1') };
    expect(await batch(6, service)).toBe('client-validate');
    expect(await admit({ ...service, rateClass: 'validate' })).toBe('refused by client-validate');
    expect(await admit({ rateClass: 'token' })).toBe('token');
  });

  test('buckets counted in Redis do not change', async () => {
    const admission = await limits.admitRequest(arrive());
    expect(limits.admitItems(1_000, 'read', admission).counted).toEqual(admission.counted);
  });
});

describe('users', () => {
  const NOTHING: RequestAdmission = { counted: [], isClientCounted: false };
  const ask = (caller: Caller) => outcome(() => limits.admitCaller(caller, 'read', NOTHING));

  test('a user is limited across addresses', async () =>
    expect(await times(4, () => ask(user()))).toEqual(['user', 'user', 'user', 'refused by user']));

  test('a role with a factor multiplies the limit', async () =>
    expect((await times(7, () => ask(user([], ['user', 'agent'])))).slice(-2)).toEqual(['user', 'refused by user']));

  test('anonymous callers and the system have no bucket, nor has a user where answers may not wait', async () => {
    expect(await ask({ kind: 'anonymous', request })).toBe('uncounted');
    expect(await ask(testCaller)).toBe('uncounted');
    expect(limits.admitCaller(user(), 'validate', NOTHING)).toBeNull();
  });

  test('validateRateLimit counts in the same bucket and returns the remaining requests', async () => {
    const ports = { rateCounters, clock, limitBuckets: buckets };
    const ordinary = { method: 'GET', path: '/v1/keys' } as const;
    expect(await ask(user())).toBe('user');
    expect(await validateRateLimit(ports, 'u1', ordinary)).toEqual({
      allowed: true,
      limit: 3,
      remaining: 1,
      resetAt: 1_020_000,
    });
    await times(2, () => ask(user()));
    expect(await validateRateLimit(ports, 'u1', ordinary)).toMatchObject({ allowed: false, remaining: 0 });
    expect(await validateRateLimit(ports, 'u1', ordinary, ['agent'])).toMatchObject({ allowed: true, limit: 6 });
    const validating = { method: 'POST', path: '/v1/tokens/validate', limit: 'validate' } as const;
    expect(await validateRateLimit(ports, 'u1', validating)).toMatchObject({ allowed: true, limit: 6, remaining: 5 });
  });
});

describe('limits:bypass', () => {
  const admin = user(['limits:bypass']);
  const NOTHING: RequestAdmission = { counted: [], isClientCounted: false };
  const ask = (caller: Caller) => outcome(() => limits.admitCaller(caller, 'admin', NOTHING));

  test('passes a used-up limit, with one event per caller, limit and minute', async () => {
    expect(await times(9, () => ask(admin))).toEqual(Array.from({ length: 9 }, () => 'user'));
    expect(rows).toHaveLength(1);
    expect(rows[0]?.slice(1, 5)).toEqual(['limit.bypassed', 'ok', 'user', 'u1']);
    expect(JSON.parse(rows[0]?.[10] as string)).toEqual({ limit: 'user', route_class: 'admin' });
    nowMs = 59_999;
    await ask(admin);
    expect(rows).toHaveLength(1);
    nowMs = 60_000;
    await times(9, () => ask(admin));
    expect(rows).toHaveLength(2);
  });

  test('writes nothing while no limit is used up', async () => {
    await times(3, () => ask(admin));
    expect(rows).toEqual([]);
  });

  test('also passes the limit of the address when the headers authenticate the caller, and works for clients', async () => {
    const byBearer = { identify: () => admin };
    expect(await times(6, () => admit(byBearer))).toEqual(Array.from({ length: 6 }, () => 'address'));
    const trusted = { namesClient: true, identify: () => clientCaller('c9', ['limits:bypass']) };
    expect(await times(6, () => admit(trusted))).toEqual(Array.from({ length: 6 }, () => 'client'));
    expect(rows.map((row) => JSON.parse(row[10] as string).limit)).toEqual(['address', 'client']);
    expect(await admit({ identify: () => user(['keys:read']) })).toBe('refused by address');
  });

  test('passes the shared limits of vetted clients, of all callers and of one address', async () => {
    let client = 0;
    const anyClient = () => admit({ namesClient: true, identify: () => clientCaller(`c-${client++}`) });
    await times(50, anyClient);
    const trusted = { identify: () => clientCaller('c9', ['limits:bypass']) };
    expect(await admit({ ...trusted, namesClient: true })).toBe('client');
    nowMs += 1_000;
    // One address has used up its share of the second: an administrator and a vetted client there still pass.
    await times(13, () => admit({ rateClass: 'validate' }));
    expect(await admit({ identify: () => admin })).toBe('address');
    expect(await admit({ identify: () => clientCaller('c8') })).toBe('client');
    for (let host = 2; host < 16; host += 1) await times(5, () => admit({ rateClass: 'token', ip: `192.0.2.${host}` }));
    expect(await admit({ ip: '192.0.2.99', identify: () => clientCaller('c7') })).toBe('client');
    expect(await admit({ ip: '192.0.2.99', identify: () => admin })).toBe('address');
  });

  test('a bypass that cannot be recorded is refused, and retried', async () => {
    await times(3, () => ask(admin));
    isDatabaseDown = true;
    expect(await ask(admin)).toBe('refused by user');
    expect(warnings).toEqual(['rate limit bypass refused: it could not be recorded']);
    isDatabaseDown = false;
    expect(await ask(admin)).toBe('user');
    expect(rows).toHaveLength(1);
  });
});
