import { expect, test } from 'vitest';
import { redisResult } from './redis.ts';

const facts = { version: '7.0.15', evictionPolicy: 'noeviction', isAppendOnly: true, masters: null, user: null };

test('fails with the fix on a Redis that evicts keys, and so jobs, when memory is short', () =>
  expect(redisResult({ ...facts, evictionPolicy: 'allkeys-lru' }, true)).toMatchObject({
    result: 'fail',
    fix: 'set maxmemory-policy noeviction',
  }));

test('warns about a Redis that loses its jobs at a restart, and passes one that keeps them', () => {
  expect(redisResult({ ...facts, isAppendOnly: false }, true).result).toBe('warn');
  expect(redisResult(facts, true)).toEqual({
    result: 'pass',
    evidence: 'version 7.0.15, maxmemory-policy noeviction, append-only file on',
  });
});

test('says of a cluster how many masters it asked', () =>
  expect(redisResult({ ...facts, masters: 3 }, true).evidence).toMatch(/^cluster of 3 masters, version 7/));

test('warns in production about a user that may do more than a process needs', () => {
  expect(redisResult({ ...facts, user: 'default' }, true)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('the user default may do more than a process needs'),
    fix: expect.stringContaining('Redis users'),
  });
  expect(redisResult({ ...facts, user: 'default' }, false).result).toBe('pass');
});
