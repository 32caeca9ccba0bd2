import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { repositoryRoot } from './data-dir.ts';

const PROCESSES = ['api', 'mcp', 'worker'] as const;
const userOf = (process: string): string | undefined =>
  PROCESSES.some((each) => each === process) ? `sallyport_${process}` : undefined;

const passwordOf = (ownerPassword: string, user: string): string =>
  createHmac('sha256', ownerPassword).update(`sallyport redis user\0${user}`).digest('base64url');

/** The URL of the local Redis for a process: its user has the keys and commands that it uses. Of others, the owner's. */
export function redisUrlOf(ownerUrl: string, process: string): string {
  const user = userOf(process);
  if (user === undefined) return ownerUrl;
  const url = new URL(ownerUrl);
  url.username = user;
  url.password = passwordOf(decodeURIComponent(url.password), user);
  return url.href;
}

/** Makes the users of the processes, or gives them the rights of this release. */
export async function makeRedisUsers(owner: Pick<Redis, 'acl'>, ownerPassword: string): Promise<void> {
  const lines = readFileSync(join(repositoryRoot, 'deploy/redis/users.acl'), 'utf8').split('\n');
  for (const line of lines) {
    const [, user = '', ...rules] = line.split(' ');
    if (user.startsWith('sallyport_'))
      await owner.acl('SETUSER', user, 'reset', ...rules, `>${passwordOf(ownerPassword, user)}`);
  }
}
