import type { Cluster } from 'ioredis';
import { openClient } from './open-client.ts';

export type RedisFacts = {
  /** Of a cluster, that of one master. */
  readonly version: string;
  /** `maxmemory-policy`: any value but `noeviction` deletes jobs when memory is short. Of a cluster, the worst. */
  readonly evictionPolicy: string;
  /** Of a cluster, true if it is on at every master. */
  readonly isAppendOnly: boolean;
  /** Masters of a cluster; null if it is none. */
  readonly masters: number | null;
  /** The user, if it may ask for its name: the user of a process may not. */
  readonly user: string | null;
};

const fieldOf = (info: string, name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';

/** Valkey names the version of Redis whose commands it has, and its own beside it. */
function versionOf(info: string): string {
  const valkey = fieldOf(info, 'valkey_version');
  return valkey === '' ? fieldOf(info, 'redis_version') : `${valkey} of Valkey`;
}

/** Facts of a Redis by INFO, which needs no more rights than PING. Rejects if Redis is unreachable. */
export async function readRedisFacts(url: string): Promise<RedisFacts> {
  const client = openClient(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const infos = client.isCluster
      ? await Promise.all((client as Cluster).nodes('master').map((master) => master.info()))
      : [await client.info()];
    const all = (name: string): string[] => infos.map((info) => fieldOf(info, name));
    return {
      version: versionOf(infos[0] ?? ''),
      evictionPolicy: all('maxmemory_policy').find((policy) => policy !== 'noeviction') ?? 'noeviction',
      isAppendOnly: all('aof_enabled').every((word) => word === '1'),
      masters: client.isCluster ? infos.length : null,
      user: await client.acl('WHOAMI').catch(() => null),
    };
  } finally {
    client.disconnect();
  }
}
