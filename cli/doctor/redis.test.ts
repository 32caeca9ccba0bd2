import { expect, test } from 'vitest';
import { judgeRedis } from './redis.ts';

const facts = { version: '7.0.15', evictionPolicy: 'noeviction', isAppendOnly: true };

test('a Redis that would throw jobs away when memory is short fails, and the fix is named', () => {
  expect(judgeRedis({ ...facts, evictionPolicy: 'allkeys-lru' })).toMatchObject({
    result: 'fail',
    fix: 'set maxmemory-policy noeviction',
  });
});

test('one that forgets its jobs at a restart is a warning, one that keeps them passes', () => {
  expect(judgeRedis({ ...facts, isAppendOnly: false }).result).toBe('warn');
  expect(judgeRedis(facts)).toEqual({
    result: 'pass',
    evidence: 'version 7.0.15, maxmemory-policy noeviction, append-only file on',
  });
});
