import { Redis } from 'ioredis';
import pg from 'pg';

export const PROBE_TIMEOUT_SECONDS = 3;
const timeoutMs = PROBE_TIMEOUT_SECONDS * 1_000;

/** Probes a PostgreSQL. Rejects with the error of the server or the network. */
export async function probePostgres(url: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'sallyport-probe',
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    // A server that does not answer does not close the connection either.
    client.end().catch(() => {});
  }
}

/** Probes a Redis likewise. */
export async function probeRedis(url: string): Promise<void> {
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
