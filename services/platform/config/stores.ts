import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { isClusterOrNone } from '../redis/cluster.ts';
import { areSentinels } from '../redis/sentinels.ts';
import type { ConfigProblem } from './config-error.ts';
import { storeUrl, wholeNumber } from './shapes.ts';

/** For `migrate` only: it makes the login. */
const processUrl = (env: string, processes: string) => ({
  env,
  schema: storeUrl(['postgresql:', 'postgres:'], 'postgresql://user:password@host:5432/database'),
  use: `URL with which ${processes} connect. \`migrate\` makes its login, with the least rights. Unset: you make it.`,
  secret: true,
});

export const storeSettings = defineSettings({
  databaseUrl: {
    env: 'DATABASE_URL',
    schema: storeUrl(['postgresql:', 'postgres:'], 'postgresql://user:password@host:5432/database'),
    use: 'URL of PostgreSQL; unset: the embedded one. With DATABASE_DIRECT_URL it may lead to a pooler in transaction mode.',
    secret: true,
    example: 'postgresql://username:password@localhost:5432/dbname',
  },
  databaseDirectUrl: {
    env: 'DATABASE_DIRECT_URL',
    schema: storeUrl(['postgresql:', 'postgres:'], 'postgresql://user:password@host:5432/database'),
    use: 'URL of PostgreSQL itself, if DATABASE_URL leads to a pooler in transaction mode, such as PgBouncer: for refreshing tokens, reading revocations, sealing the audit log, migrations, backups and the command line.',
    secret: true,
    example: 'postgresql://username:password@localhost:5432/dbname',
  },
  apiDatabaseUrl: processUrl('DATABASE_URL_API', 'API copies'),
  mcpDatabaseUrl: processUrl('DATABASE_URL_MCP', 'MCP servers'),
  workerDatabaseUrl: processUrl('DATABASE_URL_WORKER', 'workers'),
  databaseReplicaUrl: {
    env: 'DATABASE_REPLICA_URL',
    schema: storeUrl(['postgresql:', 'postgres:'], 'postgresql://user:password@host:5432/database'),
    use: 'URL of a standby that streams from PostgreSQL: for lists of administrators, reports, the dashboard and exports of the audit log. Nothing decides by it. Unset: the primary answers everything.',
    secret: true,
    example: 'postgresql://username:password@localhost:5433/dbname',
  },
  replicaMaxAgeSeconds: {
    env: 'DATABASE_REPLICA_MAX_AGE_SECONDS',
    schema: wholeNumber(60, 1, 3_600),
    use: 'How far the standby may be behind, seconds. Beyond it the primary answers.',
  },
  redisUrl: {
    env: 'REDIS_URL',
    schema: storeUrl(['redis:', 'rediss:'], 'redis://:password@host:6379', true)
      .refine(areSentinels, {
        message:
          'must name Sentinels as host:port, with commas between, as in redis://:password@NAME/0?sentinels=one:26379,two:26379',
      })
      .refine(isClusterOrNone, {
        message:
          'must name nodes of a cluster as host:port, with no database but 0 and no Sentinels, as in redis://:password@one:6379/?cluster=two:6379,three:6379',
      }),
    use: 'URL of Redis; unset: a private one. With Sentinel: the name of the primary as the host, and `?sentinels=one:26379,two:26379`. With Redis Cluster: one node as the host, and `?cluster=two:6379,three:6379` or `?cluster=true`.',
    secret: true,
    example: 'redis://localhost:6379',
  },
  waitSeconds: {
    env: 'STORE_WAIT_SECONDS',
    schema: wholeNumber(60, 1, 3_600),
    use: 'How long a starting process waits for PostgreSQL before it exits, seconds.',
  },
  poolConnections: {
    env: 'DATABASE_POOL',
    schema: wholeNumber(10, 2, 200),
    use: 'Connections per process for ordinary statements.',
  },
  writeMs: {
    env: 'WRITE_TIMEOUT_MS',
    schema: wholeNumber(800, 100, 30_000),
    use: 'How long a request that may write waits for PostgreSQL in all before it answers 503, milliseconds.',
  },
  stalenessBoundMs: {
    env: 'REVOCATION_STALENESS_MS',
    schema: wholeNumber(2_000, 500, 60_000),
    use: 'Maximum age of the revocations that an API process has in memory, milliseconds. Beyond it the process refuses to validate tokens.',
  },
  pollIntervalMs: {
    env: 'REVOCATION_POLL_MS',
    schema: wholeNumber(250, 50, 10_000),
    use: 'How often each API process polls PostgreSQL for revocations, with or without Redis, milliseconds.',
  },
  revocationBudget: {
    env: 'REVOCATION_BUDGET',
    schema: wholeNumber(1_000_000, 1_000, 50_000_000),
    use: 'Maximum number of single revocations in memory. Beyond it they are collapsed into epochs: one entry that rejects all earlier tokens of a user, a client or the installation.',
  },
});

export const capacitySettings = defineSettings({
  databaseGb: {
    env: 'CAPACITY_DATABASE_GB',
    schema: wholeNumber(0, 0, 1_000_000),
    use: 'Room for the database, in GB (10^9 bytes), so that the capacity forecast says when it is full; 0: unknown.',
  },
});

type StoreSettings = SettingsOf<typeof storeSettings>;

/** What prevents a start. */
export const storeProblems = ({ databaseUrl, databaseDirectUrl }: StoreSettings): ConfigProblem[] =>
  databaseDirectUrl !== undefined && databaseUrl === undefined
    ? [{ env: 'DATABASE_DIRECT_URL', problem: 'is set without DATABASE_URL', fix: 'set DATABASE_URL, or unset it' }]
    : [];

/** Where PostgreSQL is reached: by itself, and by a pooler if there is one. */
export type DatabaseUrls = {
  /** Leads to PostgreSQL itself: each connection is a session. */
  readonly databaseUrl: string;
  /** Leads to a pooler in transaction mode in front of it. */
  readonly pooledUrl?: string | undefined;
};

/** The one meaning of DATABASE_URL and DATABASE_DIRECT_URL. */
export const databaseUrlsOf = (
  databaseUrl: string,
  { databaseDirectUrl }: Pick<StoreSettings, 'databaseDirectUrl'>,
): DatabaseUrls =>
  databaseDirectUrl === undefined ? { databaseUrl } : { databaseUrl: databaseDirectUrl, pooledUrl: databaseUrl };
