// A file of tests begins on empty Redis databases: jobs that an earlier file left in a queue would run in this one's.
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { redisDatabases } from './harness/stores.ts';

const databases = redisDatabases();
const redis = new Redis(inject('redisUrl'));
for (const database of databases) await redis.select(database).then(() => redis.flushdb());
await redis.quit();
