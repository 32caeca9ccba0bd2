import { openClient } from './open-client.ts';

export type RedisFacts = {
  readonly version: string;
  /** `maxmemory-policy`: any value but `noeviction` deletes jobs when memory is short. */
  readonly evictionPolicy: string;
  readonly isAppendOnly: boolean;
};

const fieldOf = (info: string, name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';

/** Facts of a Redis by INFO, which needs no more rights than PING. Rejects if Redis is unreachable. */
export async function readRedisFacts(url: string): Promise<RedisFacts> {
  const client = openClient(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const info = await client.info();
    return {
      version: fieldOf(info, 'redis_version'),
      evictionPolicy: fieldOf(info, 'maxmemory_policy'),
      isAppendOnly: fieldOf(info, 'aof_enabled') === '1',
    };
  } finally {
    client.disconnect();
  }
}
