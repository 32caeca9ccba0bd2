import { connectRedis, type RedisConnection } from '#services/platform/redis/redis.ts';
import { eventually } from '../eventually.ts';
import { PATIENCE_MS } from './ports.ts';

/** Connected when it resolves: a command before that would be refused. */
export async function connectPatientRedis(url: string): Promise<RedisConnection> {
  const redis = connectRedis(url, () => {}, PATIENCE_MS);
  await eventually('a connection to Redis', () => redis.isReady());
  return redis;
}
