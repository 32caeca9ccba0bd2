// Each test file starts with empty Redis databases, so that jobs left in a queue by an earlier file do not run in it.
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { redisDatabases } from './harness/stores.ts';

const databases = redisDatabases();
const redis = new Redis(inject('redisUrl'));
for (const database of databases) await redis.select(database).then(() => redis.flushdb());
await redis.quit();
