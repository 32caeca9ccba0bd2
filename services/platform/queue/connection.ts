import { Redis, type RedisOptions } from 'ioredis';

/** Hash-tagged, so that the keys of a queue share a slot in a cluster. */
export const QUEUE_PREFIX = '{sallyport}';

const common: RedisOptions = {
  connectTimeout: 1_000,
  retryStrategy: (attempt) => Math.min(attempt * 100, 2_000),
  // A replica that was the primary until a moment ago: the next connection meets the new one.
  reconnectOnError: (err) => (err.message.startsWith('READONLY') ? 1 : false),
};

export type QueueConnection = Redis;

/** For adding jobs and looking at queues: every command answers or fails within half a second. */
export function connectProducer(url: string, onError: (err: Error) => void): QueueConnection {
  const client = new Redis(url, {
    ...common,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 400,
  });
  client.on('error', onError);
  return client;
}

/** For taking jobs: waits for Redis as long as it takes. */
export function connectConsumer(url: string, onError: (err: Error) => void): QueueConnection {
  const client = new Redis(url, { ...common, maxRetriesPerRequest: null });
  client.on('error', onError);
  return client;
}
