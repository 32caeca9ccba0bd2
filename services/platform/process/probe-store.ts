import { assertOwnSessions } from '../postgres/own-session.ts';

export const PROBE_TIMEOUT_SECONDS = 3;
const timeoutMs = PROBE_TIMEOUT_SECONDS * 1_000;

/** Probes a PostgreSQL. Rejects with the error of the server or the network, or `PoolerError`. */
export const probePostgres = (url: string): Promise<void> => assertOwnSessions(url, 'sallyport-probe', timeoutMs);

/** Probes a Redis likewise. */
export async function probeRedis(url: string): Promise<void> {
  // Only here: most verbs of the command line use PostgreSQL alone.
  const { Redis } = await import('ioredis');
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // `connect` rejects with "connection is closed" only; the error event has the cause.
  let why: Error | undefined;
  client.on('error', (err) => {
    why ??= err;
  });
  try {
    await client.connect();
    await client.ping();
  } catch (err) {
    throw why ?? err;
  } finally {
    client.disconnect();
  }
}
