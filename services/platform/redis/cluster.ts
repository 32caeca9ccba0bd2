import { Cluster, type ClusterOptions, type RedisOptions } from 'ioredis';
import { addressOf, type StoreAddress } from './sentinels.ts';

const PORT = 6_379;

/** How often the map of slots is read again: a master that hangs keeps its connections, and only the others miss it. */
const SLOTS_REFRESH_MS = 2_000;

/** Times a command follows a redirection or is sent again, for a caller with a deadline and for one that waits. */
const REDIRECTIONS = { hasty: 3, patient: 16 } as const;

/**
 * The nodes by which a URL names a Redis Cluster: `redis://:password@one:6379/?cluster=two:6379,three`, or `?cluster=true`
 * where the host leads to all of them. The nodes name the others. None if the URL names no cluster.
 * @throws TypeError for an address that is none
 */
export function clusterNodesOf(url: string): readonly StoreAddress[] {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const listed = parsed?.searchParams.get('cluster') ?? null;
  if (parsed === null || listed === null) return [];
  const others = listed === 'true' ? [] : listed.split(',').map((each) => addressOf(each, PORT));
  return [addressOf(parsed.host, PORT), ...others];
}

/** True if a URL names no cluster, or one by addresses of nodes, without Sentinels and with no database but 0. */
export function isClusterOrNone(url: string | undefined): boolean {
  try {
    if (url === undefined) return true;
    const nodes = clusterNodesOf(url);
    if (nodes.length === 0) return true;
    const { pathname, searchParams } = new URL(url);
    return nodes.every(({ port }) => port > 0) && !searchParams.has('sentinels') && /^\/?0?$/.test(pathname);
  } catch {
    return false;
  }
}

/** A client of a whole cluster: it sends each command to the master of its key. */
export function openCluster(nodes: readonly StoreAddress[], url: string, options: RedisOptions): Cluster {
  const { protocol, username, password } = new URL(url);
  const { retryStrategy, enableOfflineQueue, lazyConnect, ...ofNodes } = options;
  // Redirections replace retries here; `null` means without a limit.
  const isPatient = options.maxRetriesPerRequest === null;
  return new Cluster([...nodes], {
    clusterRetryStrategy: retryStrategy ?? null,
    ...(enableOfflineQueue === undefined ? {} : { enableOfflineQueue }),
    ...(lazyConnect === undefined ? {} : { lazyConnect }),
    maxRedirections: isPatient ? REDIRECTIONS.patient : REDIRECTIONS.hasty,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    // The name of a host, not its address, is what its certificate says.
    ...(protocol === 'rediss:' ? { dnsLookup: (host, answer) => answer(null, host) } : {}),
    redisOptions: {
      ...ofNodes,
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' ? { tls: {} } : {}),
    },
  } as ClusterOptions);
}
