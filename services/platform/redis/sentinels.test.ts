import { describe, expect, test } from 'vitest';
import { areSentinels, sentinelsOf } from './sentinels.ts';

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
    expect(sentinelsOf(url)).toEqual(sentinels);
    expect(areSentinels(url)).toBe(true);
  });

  test.each([
    'redis://main?sentinels=',
    'redis://main?sentinels=one,,two',
    'redis://main?sentinels=one:0',
    'redis://main?sentinels=one:port',
  ])('refuses %s', (url) => expect(areSentinels(url)).toBe(false));

  test('an unset URL names none', () => expect(areSentinels(undefined)).toBe(true));
});
