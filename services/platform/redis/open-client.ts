import { type Cluster, Redis, type RedisOptions, SentinelConnector } from 'ioredis';
import { clusterNodesOf, openCluster } from './cluster.ts';
import { sentinelsOf } from './sentinels.ts';

/**
 * Asks Sentinels for the primary. News of a failover ends the connection that was made before; ioredis lets it end a
 * search that has begun meanwhile too, and never tries again after that.
 */
class SentinelSearch extends SentinelConnector {
  override connect(...args: Parameters<SentinelConnector['connect']>) {
    this.disconnect();
    return super.connect(...args);
  }
}

export type RedisClient = Redis | Cluster;

/** A client of the Redis that a URL names, of the primary that its Sentinels name, or of the whole cluster of its nodes. */
export function openClient(url: string, options: RedisOptions): RedisClient {
  const nodes = clusterNodesOf(url);
  if (nodes.length > 0) return openCluster(nodes, url, options);
  const sentinels = sentinelsOf(url);
  if (sentinels.length === 0) return new Redis(url, options);
  const { protocol, hostname, username, password, pathname, searchParams } = new URL(url);
  const sentinelPassword = searchParams.get('sentinelPassword');
  return new Redis({
    // READONLY: this server has just become a replica; the next connection reaches the new primary.
    reconnectOnError: (err) => (err.message.startsWith('READONLY') ? 1 : false),
    ...options,
    Connector: SentinelSearch,
    sentinels: sentinels.map((address) => ({ ...address })),
    name: decodeURIComponent(hostname),
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    db: Number(pathname.slice(1) || 0),
    ...(sentinelPassword === null ? {} : { sentinelPassword }),
    ...(protocol === 'rediss:' ? { tls: {}, enableTLSForSentinelMode: true } : {}),
    // A primary that hangs keeps its connections: only the Sentinels tell that it was replaced.
    failoverDetector: true,
    sentinelRetryStrategy: options.retryStrategy ?? null,
    sentinelReconnectStrategy: (attempt) => Math.min(attempt * 100, 2_000),
  } as RedisOptions);
}
