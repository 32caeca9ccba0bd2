import { createProducer, type Producer } from '#services/platform/queue/producer.ts';
import { connectRedis, type RedisConnection } from '#services/platform/redis/redis.ts';
import { eventually } from '../eventually.ts';
import { PATIENCE_MS } from './ports.ts';

/** Connected when it resolves: a command before that would be refused. */
export async function connectPatientRedis(url: string): Promise<RedisConnection> {
  const redis = connectRedis(url, () => {}, PATIENCE_MS);
  await eventually('a connection to Redis', () => redis.isReady());
  return redis;
}

/** A producer that reached Redis. */
export async function readyProducer(redisUrl: string): Promise<Producer> {
  const producer = createProducer(redisUrl, () => {});
  await producer.ready(30_000);
  return producer;
}
