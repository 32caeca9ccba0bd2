// What a file of tests on stores begins and ends with.
// Neither the tests nor the products that they start wait for password hashes.
import './processes/cheap-bcrypt.ts';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, inject } from 'vitest';
import { redisDatabases } from './harness/stores.ts';
import { preloadInProducts } from './processes/child-env.ts';
import { endCliServers } from './processes/run-cli.ts';

// Not relative to the URL of this file, to which vitest adds a query.
preloadInProducts(pathToFileURL(`${import.meta.dirname}/processes/cheap-bcrypt.ts`));

// Before `child-coverage` reads what the processes of command lines covered.
afterAll(endCliServers);

// Jobs that an earlier file left in a queue do not run in this one.
const databases = redisDatabases();
const redis = new Redis(inject('redisUrl'));
for (const database of databases) await redis.select(database).then(() => redis.flushdb());
await redis.quit();
