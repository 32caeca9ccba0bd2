// For tests only: all that the stores hold, to look for what must not be there.
import { Redis } from 'ioredis';
import { queryRows } from './rows.ts';

/** A text as it may turn up elsewhere. */
export const spellings = (text: string): string[] => [
  ...new Set([
    text,
    encodeURIComponent(text),
    Buffer.from(text).toString('base64').replace(/=+$/, '').slice(0, -1),
    Buffer.from(text).toString('hex'),
    JSON.stringify(text).slice(1, -1),
  ]),
];

/** Every key of a Redis database with its value. */
export async function redisContents(url: string): Promise<string> {
  const redis = new Redis(url);
  const parts: string[] = [];
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key);
    parts.push(key);
    // Its time was over between the list and this look.
    if (type === 'none') continue;
    if (type === 'string') parts.push((await redis.getBuffer(key))?.toString('latin1') ?? '');
    else if (type === 'stream') parts.push(JSON.stringify(await redis.xrange(key, '-', '+')));
    else if (type === 'hash') parts.push(JSON.stringify(await redis.hgetall(key)));
    else if (type === 'set') parts.push(JSON.stringify(await redis.smembers(key)));
    else if (type === 'zset') parts.push(JSON.stringify(await redis.zrange(key, '0', '-1')));
    else if (type === 'list') parts.push(JSON.stringify(await redis.lrange(key, 0, -1)));
    else throw new Error(`a type this test does not read: ${type}`);
  }
  await redis.quit();
  return parts.join('\n');
}

/** Every table's rows as text. */
export async function databaseContents(url: string): Promise<Map<string, string>> {
  const tables = await queryRows<{ name: string }>(
    url,
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  const contents = new Map<string, string>();
  for (const { name } of tables) {
    const found = await queryRows<{ row: string }>(url, `SELECT t::text AS row FROM "${name}" t`);
    contents.set(name, found.map(({ row }) => row).join('\n'));
  }
  return contents;
}
