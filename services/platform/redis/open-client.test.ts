import type { Cluster, RedisOptions } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { clusterNodesOf, isClusterOrNone } from './cluster.ts';
import { openClient } from './open-client.ts';
import { areSentinels, sentinelsOf } from './sentinels.ts';

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

describe('the nodes of a cluster that a URL names', () => {
  test.each([
    [
      'redis://:word@one:7001/0?cluster=two:7002,three',
      [
        { host: 'one', port: 7_001 },
        { host: 'two', port: 7_002 },
        { host: 'three', port: 6_379 },
      ],
    ],
    ['rediss://[::1]/?cluster=true', [{ host: '::1', port: 6_379 }]],
    ['redis://host:6379/0', []],
    ['redis://main?sentinels=one', []],
    ['/run/redis.sock', []],
  ])('%s', (url, nodes) => {
    expect([clusterNodesOf(url), isClusterOrNone(url)]).toEqual([nodes, true]);
  });

  test.each(
    `redis://one?cluster= redis://one?cluster=two,,three redis://one?cluster=two:0 redis://one?cluster=two:port
    redis://one/3?cluster=true redis://one?cluster=two&sentinels=three`.split(/\s+/),
  )('refuses %s', (url) => expect(isClusterOrNone(url)).toBe(false));

  test('an unset URL names none', () => expect(isClusterOrNone(undefined)).toBe(true));
});

describe('the Sentinels that a URL names', () => {
  test.each([
    [
      'redis://:word@main/0?sentinels=one:1,two',
      [
        { host: 'one', port: 1 },
        { host: 'two', port: 26_379 },
      ],
    ],
    ['rediss://main?sentinels=[::1]:2', [{ host: '::1', port: 2 }]],
    ['redis://host:6379/0', []],
    ['/run/redis.sock', []],
  ])('%s', (url, sentinels) => {
    expect([sentinelsOf(url), areSentinels(url)]).toEqual([sentinels, true]);
  });

  test.each([
    'redis://main?sentinels=',
    'redis://main?sentinels=one,,two',
    'redis://main?sentinels=one:0',
    'redis://main?sentinels=one:port',
  ])('refuses %s', (url) => expect(areSentinels(url)).toBe(false));

  test('an unset URL names none', () => expect(areSentinels(undefined)).toBe(true));
});
