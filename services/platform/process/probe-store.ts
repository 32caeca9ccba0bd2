import { Redis } from 'ioredis';
import pg from 'pg';

export const PROBE_TIMEOUT_SECONDS = 3;
const timeoutMs = PROBE_TIMEOUT_SECONDS * 1_000;

/** Asks a PostgreSQL for a sign of life. Rejects with its own error or the network's. */
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
    // A server that does not answer does not take leave either.
    client.end().catch(() => {});
  }
}

/** The same of a Redis. */
export async function probeRedis(url: string): Promise<void> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // `connect` says only that the connection is closed; why, says the event.
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
