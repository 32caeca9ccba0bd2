import type pg from 'pg';
import { poolTimeouts, poolWait } from '#observability/metrics/postgres.ts';
import type { Log, Sql, Transact } from '../core/ports.ts';
import { createPolledGuard, type PolledGuard } from '../core/revocations/database-guard.ts';
import type { Config } from '../platform/config/load.ts';
import type { DatabaseUrls } from '../platform/config/stores.ts';
import {
  CONNECT_TIMEOUT_MS,
  createPool,
  createSql,
  createTransact,
  type PoolSettings,
  setConnectTimeout,
} from '../platform/postgres/pool.ts';
import { createPrismaDatabase, type PrismaDatabase } from '../platform/postgres/prisma.ts';
import type { DatabaseRole } from '../platform/postgres/transaction-settings.ts';
import { oncePerMinute } from '../platform/process/once-per-minute.ts';
import { connectRedis, type RedisConnection } from '../platform/redis/redis.ts';

/** The stores of one API process: four pools of Postgres, each with its own purpose, and Redis. */
export type Stores = {
  readonly sql: Sql;
  readonly transact: Transact;
  readonly hotSql: Sql;
  readonly pollSql: Sql;
  readonly authDatabase: PrismaDatabase;
  readonly redis: RedisConnection;
  /** The identity of the connected database: in doubt after a lost connection until the poll confirms it. */
  readonly databaseGuard: PolledGuard;
  /** Logs once a minute that Redis is unreachable, whichever connection notices. */
  readonly onRedisError: (err: Error) => void;
  readonly pools: Readonly<Record<'main' | 'refresh' | 'revocations' | 'identity', pg.Pool>>;
  /** Replaces the longer deadlines of the start by those of requests. */
  started(): void;
  close(): Promise<void>;
};

type StoreUrls = DatabaseUrls & { readonly redisUrl: string; readonly databaseRole?: DatabaseRole | undefined };

/** While a copy starts, no request waits, so connecting may take longer on a busy machine. */
const START_CONNECT_TIMEOUT_MS = 10_000;

/** Two for batches of the group commit, and two for single members of failed batches. */
const REFRESH_CONNECTIONS = 4;
/** As many as there may be statements in flight: each request uses one. */
const REFRESH_CONNECTIONS_SINGLE = 8;

/** How many connections to PostgreSQL one process opens at most, by pool. */
export const connectionsOf = ({ stores, tokens }: Config): Readonly<Record<keyof Stores['pools'], number>> => ({
  main: stores.poolConnections,
  identity: stores.poolConnections,
  refresh: tokens.groupCommit ? REFRESH_CONNECTIONS : REFRESH_CONNECTIONS_SINGLE,
  revocations: 1,
});

export function openStores(config: Config, log: Log, { databaseRole = 'sallyport_api', ...urls }: StoreUrls): Stores {
  const databaseGuard = createPolledGuard();
  const connections = connectionsOf(config);
  const { writeMs } = config.stores;
  const open = (
    pool: keyof Stores['pools'],
    needs: 'session' | 'transaction',
    limits: Pick<PoolSettings, 'statementTimeoutMs' | 'lockTimeoutMs'> & Partial<PoolSettings>,
  ): pg.Pool => {
    const wait = poolWait.at({ pool });
    const timeouts = poolTimeouts.at({ pool });
    const { databaseUrl, pooledUrl } = urls;
    const where =
      needs === 'transaction' && pooledUrl !== undefined ? { url: pooledUrl, isPooled: true } : { url: databaseUrl };
    return createPool({
      ...where,
      role: databaseRole,
      applicationName: `sallyport-${pool}`,
      connections: connections[pool],
      ...limits,
      connectTimeoutMs: START_CONNECT_TIMEOUT_MS,
      onWait: (waitMs, isGivenUp) => {
        wait.record(waitMs / 1_000);
        if (isGivenUp) timeouts.add(1);
      },
      onLost: databaseGuard.doubt,
    });
  };
  const ofRequests = { statementTimeoutMs: 2_000, lockTimeoutMs: 1_000, limitsRequests: true };
  const pools = {
    main: open('main', 'transaction', ofRequests),
    // What may not be repeated waits for both: together they are the time of a write.
    refresh: open('refresh', 'session', {
      statementTimeoutMs: Math.round(writeMs * 0.75),
      answerMarginMs: Math.round(writeMs * 0.25),
      lockTimeoutMs: 200,
      genericPlans: true,
    }),
    revocations: open('revocations', 'session', { statementTimeoutMs: 1_000, lockTimeoutMs: 200 }),
    identity: open('identity', 'transaction', ofRequests),
  };
  const onAfterCommitError = (err: unknown): void => log.error({ err }, 'an action after a commit failed');
  const onRedisError = oncePerMinute((err) => log.warn({ err }, 'redis is unreachable; continuing without it'));
  const redis = connectRedis(urls.redisUrl, onRedisError);
  return {
    sql: createSql(pools.main, databaseGuard),
    transact: createTransact(pools.main, onAfterCommitError, databaseGuard),
    // Its statements detect a rewound database themselves.
    hotSql: createSql(pools.refresh),
    pollSql: createSql(pools.revocations),
    authDatabase: createPrismaDatabase(pools.identity, onAfterCommitError, databaseGuard),
    redis,
    databaseGuard,
    onRedisError,
    pools,
    started: () => {
      for (const pool of Object.values(pools)) setConnectTimeout(pool, CONNECT_TIMEOUT_MS);
    },
    close: async () => {
      await Promise.allSettled([redis.close(), ...Object.values(pools).map((pool) => pool.end())]);
    },
  };
}
