// For tests only: stores whose deadlines are so far that a busy machine changes no answer.
import type pg from 'pg';
import { createPool, type PoolSettings } from '../services/platform/postgres/pool.ts';
import { connectRedis, type RedisConnection } from '../services/platform/redis/redis.ts';
import { eventually } from './eventually.ts';

/** Longer than a test waits for anything that comes. */
export const PATIENCE_MS = 60_000;

/** For what is tested without its deadlines; a transaction that a test holds stays until the test ends it. */
export const patient = {
  connectTimeoutMs: PATIENCE_MS,
  statementTimeoutMs: PATIENCE_MS,
  lockTimeoutMs: PATIENCE_MS,
  idleInTransactionTimeoutMs: 0,
};

export const createPatientPool = (
  settings: Pick<PoolSettings, 'url' | 'connections' | 'applicationName' | 'genericPlans' | 'onLost'>,
): pg.Pool => createPool({ ...patient, ...settings });

/** Connected when it resolves: a command before that would be refused. */
export async function connectPatientRedis(url: string): Promise<RedisConnection> {
  const redis = connectRedis(url, () => {}, PATIENCE_MS);
  await eventually('a connection to Redis', () => redis.isReady());
  return redis;
}
