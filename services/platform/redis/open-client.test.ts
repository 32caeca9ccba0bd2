import type { Cluster, RedisOptions } from 'ioredis';
import { expect, test } from 'vitest';
import { openClient } from './open-client.ts';

/** Connects nowhere. */
const optionsOf = (url: string) => openClient(url, { lazyConnect: true }).options as RedisOptions;

test('a URL without Sentinels names the server itself', () =>
  expect(optionsOf('redis://me:word@redis.internal:6380/3')).toMatchObject({
    host: 'redis.internal',
    port: 6_380,
    username: 'me',
    password: 'word',
    db: 3,
    sentinels: null,
  }));

test('with Sentinels, the host is the name of the primary; user and password are those of the servers', () =>
  expect(optionsOf('redis://me:w%40rd@main/3?sentinels=one,two:7&sentinelPassword=theirs')).toMatchObject({
    sentinels: [
      { host: 'one', port: 26_379 },
      { host: 'two', port: 7 },
    ],
    name: 'main',
    username: 'me',
    password: 'w@rd',
    sentinelPassword: 'theirs',
    db: 3,
    enableTLSForSentinelMode: false,
    failoverDetector: true,
  }));

test('with TLS, the Sentinels speak it too; without a password none is sent', () => {
  const options = optionsOf('rediss://main?sentinels=one');
  expect(options).toMatchObject({ tls: {}, enableTLSForSentinelMode: true, db: 0, password: null, username: null });
  expect(options.sentinelPassword ?? null).toBeNull();
});

test.each([
  ['READONLY You cannot write against a read only replica.', 1],
  ['ERR unknown command', false],
])('after "%s" it reconnects: %s', (message, answer) => {
  expect(optionsOf('redis://main?sentinels=one').reconnectOnError?.(new Error(message))).toBe(answer);
});

test('a lost Sentinel is tried again at growing intervals', () => {
  const { sentinelReconnectStrategy: pause } = optionsOf('redis://main?sentinels=one') as {
    sentinelReconnectStrategy?: (attempt: number) => number;
  };
  expect([pause?.(1), pause?.(5), pause?.(100)]).toEqual([100, 500, 2_000]);
});

/** Connects nowhere. */
const clusterOf = (url: string, options: RedisOptions = {}) =>
  openClient(url, { lazyConnect: true, ...options }) as Cluster;

test('a URL with nodes names a cluster; user and password are those of its servers', () => {
  const client = clusterOf('redis://me:w%40rd@one:7001/0?cluster=two:7002,three');
  expect(client.isCluster).toBe(true);
  expect(client.options.redisOptions).toMatchObject({ username: 'me', password: 'w@rd' });
  expect(client.options.dnsLookup?.name).toBe('lookup');
});

test('with TLS, the nodes of a cluster are asked by the names that their certificates have', () => {
  const { options } = clusterOf('rediss://one?cluster=true');
  expect(options.redisOptions).toEqual({ tls: {} });
  let asked: string | undefined;
  options.dnsLookup?.('one', (_err, address) => {
    asked = address;
  });
  expect(asked).toBe('one');
});

test('a command with a deadline is sent again a few times, and one that waits for Redis often', () => {
  expect(clusterOf('redis://one?cluster=true', { maxRetriesPerRequest: 1 }).options.maxRedirections).toBe(3);
  expect(clusterOf('redis://one?cluster=true', { maxRetriesPerRequest: null }).options.maxRedirections).toBe(16);
  expect(clusterOf('redis://one?cluster=true', { enableOfflineQueue: false }).options.enableOfflineQueue).toBe(false);
});
