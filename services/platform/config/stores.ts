import { defineSettings } from '../define/setting.ts';
import { storeUrl, wholeNumber } from './shapes.ts';

export const storeSettings = defineSettings({
  databaseUrl: {
    env: 'DATABASE_URL',
    schema: storeUrl(['postgresql:', 'postgres:'], 'postgresql://user:password@host:5432/database'),
    use: 'PostgreSQL; unset: the embedded one.',
    secret: true,
    example: 'postgresql://username:password@localhost:5432/dbname',
  },
  redisUrl: {
    env: 'REDIS_URL',
    schema: storeUrl(['redis:', 'rediss:'], 'redis://:password@host:6379', true),
    use: 'Redis; unset: a private one.',
    secret: true,
    example: 'redis://localhost:6379',
  },
  waitSeconds: {
    env: 'STORE_WAIT_SECONDS',
    schema: wholeNumber(60, 1, 3_600),
    use: 'How long a start waits for PostgreSQL before it gives up.',
  },
  poolConnections: {
    env: 'DATABASE_POOL',
    schema: wholeNumber(10, 2, 200),
    use: 'Connections per process for ordinary statements.',
  },
  stalenessBoundMs: {
    env: 'REVOCATION_STALENESS_MS',
    schema: wholeNumber(2_000, 500, 60_000),
    use: 'A copy whose revocation state is older than this refuses to validate.',
  },
  pollIntervalMs: {
    env: 'REVOCATION_POLL_MS',
    schema: wholeNumber(250, 50, 10_000),
    use: 'How often every copy polls PostgreSQL for revocations, with or without Redis.',
  },
  revocationBudget: {
    env: 'REVOCATION_BUDGET',
    schema: wholeNumber(1_000_000, 1_000, 50_000_000),
    use: 'Revocations kept individually in memory; beyond this number they collapse into epochs.',
  },
});
