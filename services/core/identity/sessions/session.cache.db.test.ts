import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import type { Redis } from '#services/core/ports.ts';
import type { RevocationSet } from '#services/core/revocations/revocation-set.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import { connectRedis } from '#services/platform/redis/redis.ts';
import { connectPatientRedis } from '#tools/testing/harness/redis.ts';
import { testRedisUrl } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { createSessionCache, type SessionCache } from './session.cache.ts';

const redis = opened(() => connectPatientRedis(testRedisUrl()));

type Made = { readonly through?: Redis; readonly incarnation?: string; readonly isTrusted?: boolean };
const vault = createVault(randomBytes(32));
const START_MS = 1_800_000_000_000;
let nowMs = START_MS;
const cacheOf = ({ through = redis, incarnation = 'one', isTrusted = true }: Made = {}): SessionCache =>
  createSessionCache(
    {
      redis: through,
      vault,
      clock: { now: () => nowMs, monotonic: () => nowMs },
      revocations: { state: () => ({ incarnation }) } as RevocationSet,
    },
    () => isTrusted,
  );
/** The raw value in Redis. */
const keyOf = (name: string): string => `auth:{${createHash('sha256').update(name).digest('base64url')}}`;
const session = JSON.stringify({ session: { id: 's', token: 't' }, user: { id: 'u', tokenEpoch: 0 } });

test('trusts a cached session for five minutes by our clock, whatever Redis says', async () => {
  const cache = cacheOf();
  await cache.set('token', session, 86_400);
  nowMs += 299_000;
  expect(await cache.get('token')).toBe(session);
  nowMs += 1_000;
  expect(await cache.get('token')).toBeNull();
});

test('caches a session read from Postgres until it expires, and none that has expired', async () => {
  const cache = cacheOf();
  const keep = (token: string, seconds: number) =>
    cache.keepSession({
      session: Object.assign({ id: 's' }, { token, expiresAt: new Date(nowMs + seconds * 1_000) }),
      user: { id: 'u', tokenEpoch: 0 },
    });
  await keep('short', 60);
  await keep('over', 0);
  expect(JSON.parse((await cache.get('short')) ?? '{}')).toMatchObject({ session: { id: 's' }, user: { id: 'u' } });
  expect(await cache.get('over')).toBeNull();
  nowMs += 60_000;
  expect(await cache.get('short')).toBeNull();
});

test('treats as a miss: an untrusted session, a session of a database restored since, and other data', async () => {
  await cacheOf().set('of-now', session, 60);
  expect(await cacheOf({ isTrusted: false }).get('of-now')).toBeNull();
  expect(await cacheOf({ incarnation: 'two' }).get('of-now')).toBeNull();
  expect(await cacheOf().get('of-now')).toBe(session);
  for (const [name, user] of Object.entries({ none: null, strange: { id: 'u', tokenEpoch: 'x' } })) {
    await cacheOf().set(name, JSON.stringify({ session: { id: 's', token: 't' }, user }), 60);
    expect(await cacheOf().get(name), name).toBeNull();
  }
  await cacheOf().set('without-token', JSON.stringify({ session: { id: 's' }, user: { id: 'u', tokenEpoch: 0 } }), 60);
  expect(await cacheOf().get('without-token')).toBeNull();
});

test('counts each look-up as a hit or a miss', async () => {
  const counted = (outcome: string): number =>
    registry
      .collect()
      .find(({ name }) => name === 'sallyport_session_cache')
      ?.series.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
  const before = { hit: counted('hit'), miss: counted('miss') };
  const cache = cacheOf();
  await cache.set('counted', session, 60);
  await cache.get('counted');
  await cache.get('counted');
  await cache.get('unknown');
  expect({ hit: counted('hit') - before.hit, miss: counted('miss') - before.miss }).toEqual({ hit: 2, miss: 1 });
});

test('stores neither key nor value in clear in Redis, and a value copied to another key is a miss', async () => {
  const cache = cacheOf();
  await cache.set('mine', session, 60);
  const sealed = (await redis.get(keyOf('mine'))) as string;
  expect(sealed).not.toContain('session');
  await redis.set(keyOf('theirs'), sealed, 60);
  expect(await cache.get('theirs')).toBeNull();
});

test('keeps other values for the given time, and of many concurrent takers exactly one gets a value', async () => {
  const cache = cacheOf();
  await cache.set('challenge', 'value', 600);
  nowMs += 599_000;
  expect(await cache.get('challenge')).toBe('value');
  const taken = await Promise.all(Array.from({ length: 4 }, () => cache.getAndDelete('challenge')));
  expect(taken.filter((value) => value === 'value')).toHaveLength(1);
  await cache.set('gone', 'value');
  await cache.delete('gone');
  expect(await cache.get('gone')).toBeNull();
  expect([await cache.increment('count', 60), await cache.increment('count', 60)]).toEqual([1, 2]);
});

test('caches no list of sessions: they are read from Postgres', async () => {
  const cache = cacheOf();
  await cache.set('active-sessions-u', '[]', 60);
  expect(await redis.get(keyOf('active-sessions-u'))).toBeNull();
  expect(await cache.get('active-sessions-u')).toBeNull();
});

test('without Redis every read is a miss, every write is dropped, and a counter exceeds every limit', async () => {
  const away = connectRedis(testRedisUrl(), () => {});
  await away.close();
  const cache = cacheOf({ through: away });
  await cache.set('token', session, 60);
  await cache.delete('token');
  expect([await cache.get('token'), await cache.getAndDelete('token')]).toEqual([null, null]);
  expect(await cache.increment('count', 60)).toBe(Number.MAX_SAFE_INTEGER);
});
