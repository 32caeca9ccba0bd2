// PROCESS: for tests only, asks a store for long texts and says what its old generation holds after a collection of the young.
import { randomUUID } from 'node:crypto';
import { defineStatement } from '../../define/statement.ts';
import { createPool, createSql } from '../../postgres/pool.ts';
import { connectRedis } from '../../redis/redis.ts';
import { oldGenerationBytes } from './old-generation.ts';

const TEXT_BYTES = 40_000;
const AT_ONCE = 4;

const { DATABASE_URL = '', REDIS_URL = '' } = process.env;
const pool = createPool({
  url: DATABASE_URL,
  connections: AT_ONCE,
  applicationName: 'test',
  statementTimeoutMs: 60_000,
  lockTimeoutMs: 60_000,
});
const sql = createSql(pool);
const redis = connectRedis(REDIS_URL, () => {}, 60_000);
const given = defineStatement('testGiven', 'SELECT $1::text AS given');

const stores: Readonly<Record<string, (text: string) => Promise<unknown>>> = {
  postgres: (text) => sql.query(given, [text]),
  redis: (value) => redis.setMany([{ key: 'asked', value, ttlSeconds: 60 }]),
};

process.on('message', async ({ store, count }: { store: string; count: number }) => {
  const ask = stores[store]!;
  let left = count;
  const asker = async (): Promise<void> => {
    for (; left > 0; left -= 1) await ask(randomUUID().padEnd(TEXT_BYTES, '-'));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, asker));
  process.send?.(oldGenerationBytes());
});
process.on('disconnect', () => process.exit(0));
while (!redis.isReady()) await new Promise((resolve) => setTimeout(resolve, 20));
process.send?.('ready');
