import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { startPgBouncer } from '#tools/testing/processes/pgbouncer.ts';
import { startTcpProxy, type TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { storeUnavailable } from '../errors.ts';
import { randomFreePort } from '../local/ports.ts';
import { createPool, createSql } from '../postgres/pool.ts';
import { startPooler } from './pooler-harness.ts';
import { probePostgres, probeRedis, refuseMixedSessions } from './probe-store.ts';
import { placeOf, type StoreName, troubleOf } from './store-trouble.ts';

asShipped();

const databaseUrl = inject('templateUrl').replace('sallyport_template', 'postgres');
const redisUrl = inject('redisUrl');
const LIMITS = { statementTimeoutMs: 3_000, lockTimeoutMs: 3_000 };
const probes = { PostgreSQL: probePostgres, Redis: probeRedis };

/** The reported trouble of a store that the probe cannot use. */
async function trouble(store: StoreName, url: string): Promise<ReturnType<typeof troubleOf>> {
  const err = await probes[store](url).then(
    () => expect.unreachable('it answered'),
    (cause: unknown) => cause,
  );
  return troubleOf(store, url, err, 3);
}

const changed = (url: string, change: (parts: URL) => void): string => {
  const parts = new URL(url);
  change(parts);
  return parts.href;
};

describe('a store that refuses us is reported with host, port and cause, and not waited for', () => {
  test('PostgreSQL: wrong password', async () => {
    const url = changed(databaseUrl, (parts) => {
      parts.password = 'hidden-word';
    });
    const { host, username } = new URL(url);
    expect(await trouble('PostgreSQL', url)).toEqual({
      sentence: `PostgreSQL at ${host} refuses the password of user "${username}" (28P01)`,
      fix: 'correct user and password in DATABASE_URL',
      mayPass: false,
    });
  });

  test('PostgreSQL: no such database', async () => {
    const url = changed(databaseUrl, (parts) => {
      parts.pathname = '/absent';
    });
    expect(await trouble('PostgreSQL', url)).toEqual({
      sentence: `PostgreSQL at ${new URL(url).host} has no database "absent" (3D000)`,
      fix: 'create it (CREATE DATABASE), or correct the name in DATABASE_URL',
      mayPass: false,
    });
  });

  test.each([
    ['PgBouncer', [], 'unsupported startup parameter: options'],
    [
      'PgBouncer that drops options',
      ['ignore_startup_parameters = options'],
      'the settings of the session were dropped',
    ],
    ['another that passes them on', undefined, 'two connections share a session'],
  ] as const)('a pooler in transaction mode, with the fix: %s', async (_name, settings, why) => {
    const pooler = settings ? await startPgBouncer(databaseUrl, { settings }) : await startPooler(databaseUrl);
    onTestFinished(pooler.dispose);
    expect(await trouble('PostgreSQL', pooler.url)).toEqual({
      sentence: `PostgreSQL at ${new URL(pooler.url).host} is a connection pooler in transaction mode, or one that drops the settings of a session (${why})`,
      fix: 'set DATABASE_DIRECT_URL to the URL of PostgreSQL itself; DATABASE_URL may then stay with the pooler',
      mayPass: false,
    });
    await expect(refuseMixedSessions({ databaseUrl: pooler.url })).rejects.toMatchObject({ code: 'store_refused' });
    const itself = refuseMixedSessions({ databaseUrl: pooler.url, pooledUrl: pooler.url });
    await expect(itself).rejects.toMatchObject({
      code: 'store_refused',
      fix: 'let DATABASE_DIRECT_URL lead to PostgreSQL itself, or to a pooler in session mode that passes on startup options',
    });
  });

  test('a pooler that leads to another database than the direct address; one that leads to the same is accepted', async () => {
    const pooler = await startPgBouncer(databaseUrl);
    onTestFinished(pooler.dispose);
    await refuseMixedSessions({ databaseUrl, pooledUrl: pooler.url });
    const elsewhere = changed(pooler.url, (parts) => {
      parts.pathname = '/sallyport_template';
    });
    await expect(refuseMixedSessions({ databaseUrl, pooledUrl: elsewhere })).rejects.toMatchObject({
      code: 'store_refused',
      message: `PostgreSQL at ${new URL(pooler.url).host} leads to another database than DATABASE_DIRECT_URL`,
      fix: 'let DATABASE_URL and DATABASE_DIRECT_URL lead to one database',
    });
    // A PostgreSQL that does not answer is the matter of the start, which waits for it.
    await pooler.kill();
    await refuseMixedSessions({ databaseUrl, pooledUrl: pooler.url });
  });

  test('PostgreSQL itself is none, and a pool that a pooler refuses names it too', async () => {
    await probePostgres(databaseUrl);
    const pooler = await startPgBouncer(databaseUrl);
    onTestFinished(pooler.dispose);
    const pool = createPool({ url: pooler.url, connections: 1, applicationName: 'test', ...LIMITS });
    onTestFinished(() => pool.end());
    const err = await createSql(pool)
      .query({ name: 'one', text: 'SELECT 1', writes: false })
      .catch((cause: unknown) => cause);
    expect(troubleOf('PostgreSQL', pooler.url, err)).toMatchObject({ mayPass: false });
  });

  describe('Redis with a password', () => {
    const user = `trouble-${process.pid}`;
    let admin: Redis;
    beforeAll(async () => {
      admin = new Redis(redisUrl);
      await admin.call('ACL', 'SETUSER', user, 'on', '>right', '+ping', '+info');
    });
    afterAll(async () => {
      await admin.call('ACL', 'DELUSER', user);
      admin.disconnect();
    });

    test('wrong password', async () => {
      const url = changed(redisUrl, (parts) => {
        parts.username = user;
        parts.password = 'hidden-word';
      });
      expect(await trouble('Redis', url)).toEqual({
        sentence: `Redis at ${placeOf('Redis', url)} refuses the password (WRONGPASS)`,
        fix: 'correct the password in REDIS_URL',
        mayPass: false,
      });
    });
  });
});

describe('an unreachable store is reported with host, port and cause, and may be waited for', () => {
  test.each(['PostgreSQL', 'Redis'] as const)('%s: nothing listens', async (store) => {
    const port = await randomFreePort();
    const url = `${store === 'Redis' ? 'redis' : 'postgres'}://u:hidden-word@127.0.0.1:${port}/0`;
    const variable = store === 'Redis' ? 'REDIS_URL' : 'DATABASE_URL';
    expect(await trouble(store, url)).toEqual({
      sentence: `${store} at 127.0.0.1:${port} does not answer: connection refused (ECONNREFUSED)`,
      fix: `start it, or correct host and port in ${variable}`,
      mayPass: true,
    });
  });

  test.each(['PostgreSQL', 'Redis'] as const)('%s: connected, and silent', async (store) => {
    const proxy: TcpProxy = await startTcpProxy(store === 'Redis' ? redisUrl : databaseUrl);
    proxy.freeze();
    try {
      expect(await trouble(store, proxy.url)).toMatchObject({
        sentence: `${store} at ${new URL(proxy.url).host} does not answer: timed out after 3 s`,
        mayPass: true,
      });
    } finally {
      await proxy.cut();
    }
  });

  test('a host that does not exist', () => {
    const err = Object.assign(new Error('getaddrinfo ENOTFOUND nowhere.invalid'), {
      code: 'ENOTFOUND',
      syscall: 'getaddrinfo',
    });
    expect(troubleOf('PostgreSQL', 'postgres://u:hidden-word@nowhere.invalid/d', err)).toMatchObject({
      sentence: 'PostgreSQL at nowhere.invalid:5432 does not answer: the host name does not exist (ENOTFOUND)',
      fix: 'correct the host in DATABASE_URL',
    });
  });

  test('a connection timeout of a pool is recognised in the error that a request would get', async () => {
    const proxy = await startTcpProxy(databaseUrl);
    proxy.freeze();
    const pool = createPool({
      url: proxy.url,
      connections: 1,
      applicationName: 'test',
      statementTimeoutMs: 1_000,
      lockTimeoutMs: 1_000,
      connectTimeoutMs: 200,
    });
    const err = await createSql(pool)
      .query({ name: 'test', text: 'SELECT 1' } as never)
      .catch((cause: unknown) => cause);
    expect(troubleOf('PostgreSQL', proxy.url, err)?.sentence).toMatch(/does not answer: timed out$/);
    await proxy.cut();
    await pool.end();
  });

  test.each([
    ['57P03', 'it is starting or stopping (57P03)'],
    ['53300', 'PostgreSQL has no connection left: raise its max_connections, or lower DATABASE_POOL'],
    ['40001', 'it cannot serve us now (40001)'],
  ])('state %s', (code, cause) => {
    const err = storeUnavailable({ cause: Object.assign(new Error('x'), { code }) });
    expect(troubleOf('PostgreSQL', 'postgres://u@h/d', err)).toMatchObject({
      sentence: `PostgreSQL at h:5432 does not answer: ${cause}`,
      mayPass: true,
    });
  });
});

test('an error that the store did not cause is not reported as trouble with the store', () => {
  for (const err of [new Error('a defect'), Object.assign(new Error('x'), { code: '42P01' }), 'text', undefined])
    expect(troubleOf('PostgreSQL', 'postgres://u@h/d', err)).toBeUndefined();
});

test.each([
  ['PostgreSQL', 'postgres://u:p@[::1]/d', '[::1]:5432'],
  ['PostgreSQL', 'postgresql:///d?host=/run/postgresql', '/run/postgresql'],
  ['Redis', '/run/redis.sock', '/run/redis.sock'],
  ['Redis', '/run/redis.sock?password=hidden-word', '/run/redis.sock'],
  ['Redis', 'rediss://:p@cache:1234/2', 'cache:1234'],
] as const)('the place of a %s at %s is %s', (store, url, place) => expect(placeOf(store, url)).toBe(place));
