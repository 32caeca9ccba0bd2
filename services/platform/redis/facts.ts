import { Redis as Client } from 'ioredis';

export type RedisFacts = {
  readonly version: string;
  /** `maxmemory-policy`: anything but `noeviction` throws jobs away when memory is short. */
  readonly evictionPolicy: string;
  readonly isAppendOnly: boolean;
};

const fieldOf = (info: string, name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';

/** What a Redis says of itself (INFO, which asks for no more rights than PING). Rejects when it is out of reach. */
export async function readRedisFacts(url: string): Promise<RedisFacts> {
  const client = new Client(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1_000 });
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
