import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { redisUser } from './redis.ts';

test('the user of each process in Redis has the keys and commands that the process uses, and no others', () => {
  const path = resolve(import.meta.dirname, '../../deploy/redis/users.acl');
  const lines = ['user default off', ...(['api', 'mcp', 'worker'] as const).map(redisUser), ''];
  expect(readFileSync(path, 'utf8'), `deploy/redis/users.acl:\n${lines.join('\n')}`).toBe(lines.join('\n'));
});
