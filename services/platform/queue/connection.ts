import type { RedisOptions } from 'ioredis';
import { patient } from '../process/patience.ts';
import { openClient, type RedisClient } from '../redis/open-client.ts';

/** Hash-tagged, so that the keys of a queue share a slot in a cluster. */
export const QUEUE_PREFIX = '{sallyport}';

const CONNECT_TIMEOUT_MS = 1_000;
const COMMAND_TIMEOUT_MS = 400;

const common: RedisOptions = {
  retryStrategy: (attempt) => Math.min(attempt * 100, 2_000),
  // READONLY: the server has just become a replica; the next connection reaches the new primary.
  reconnectOnError: (err) => (err.message.startsWith('READONLY') ? 1 : false),
};

type QueueConnection = RedisClient;

/** Connection for adding jobs and reading queues: every command succeeds or fails within half a second. */
export function connectProducer(url: string, onError: (err: Error) => void): QueueConnection {
  const client = openClient(url, {
    ...common,
    connectTimeout: patient(CONNECT_TIMEOUT_MS),
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: patient(COMMAND_TIMEOUT_MS),
  });
  client.on('error', onError);
  return client;
}

/** Connection for taking jobs: waits for Redis without a limit. */
export function connectConsumer(url: string, onError: (err: Error) => void): QueueConnection {
  const client = openClient(url, {
    ...common,
    connectTimeout: patient(CONNECT_TIMEOUT_MS),
    maxRetriesPerRequest: null,
  });
  client.on('error', onError);
  return client;
}
