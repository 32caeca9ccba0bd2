import { describe, expect, test } from 'vitest';
import { clusterNodesOf, isClusterOrNone } from './cluster.ts';

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
    expect(clusterNodesOf(url)).toEqual(nodes);
    expect(isClusterOrNone(url)).toBe(true);
  });

  test.each(
    `redis://one?cluster= redis://one?cluster=two,,three redis://one?cluster=two:0 redis://one?cluster=two:port
    redis://one/3?cluster=true redis://one?cluster=two&sentinels=three`.split(/\s+/),
  )('refuses %s', (url) => expect(isClusterOrNone(url)).toBe(false));

  test('an unset URL names none', () => expect(isClusterOrNone(undefined)).toBe(true));
});
