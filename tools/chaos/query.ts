import pg from 'pg';

const CONNECT_MS = 10_000;
const QUERY_MS = 90_000;

/** A session of PostgreSQL, which ends with the work. */
export async function withClient<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
  connectMs = CONNECT_MS,
): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectMs, query_timeout: QUERY_MS });
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

export const queryAt = <R extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: readonly unknown[] = [],
  connectMs?: number,
): Promise<R[]> => withClient(url, async (client) => (await client.query<R>(text, [...values])).rows, connectMs);
