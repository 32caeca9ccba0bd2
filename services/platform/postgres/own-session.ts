import pg from 'pg';

/** A pooler gives statements of one connection to several sessions of PostgreSQL, or drops the settings of a session. */
class PoolerError extends Error {
  readonly code = 'POOLER';
}

/** A setting that no server has by default. */
const MARK = '59999ms';
const READ = `SELECT pg_backend_pid() AS pid, current_setting('lock_timeout') AS mark`;
const ROUNDS = 3;

function clientOf(url: string, name: string, timeoutMs: number, options = ''): pg.Client {
  const client = new pg.Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    ...(options && { options }),
  });
  client.on('error', () => {});
  return client;
}

/**
 * Connects twice and shows that each connection has a session of its own, with the settings that were sent with it. Time
 * limits, roles, prepared statements and locks of the product live in its sessions.
 * @throws PoolerError if a pooler in transaction mode answers; any other error is that of the server or the network
 */
export async function assertOwnSessions(url: string, applicationName: string, timeoutMs: number): Promise<void> {
  const clients = [1, 2].map(() => clientOf(url, applicationName, timeoutMs, `-c lock_timeout=${MARK}`));
  try {
    for (const client of clients) await client.connect();
    const seen: Set<number>[] = [new Set(), new Set()];
    for (let round = 0; round < ROUNDS; round += 1)
      for (const [index, client] of clients.entries()) {
        const { rows } = await client.query<{ pid: number; mark: string }>(READ);
        if (rows[0]?.mark !== MARK) throw new PoolerError('the settings of the session were dropped');
        seen[index]?.add(rows[0].pid);
      }
    const [first, second] = seen.map((pids) => [...pids]) as [number[], number[]];
    if (first.length > 1 || second.length > 1 || first[0] === second[0])
      throw new PoolerError('two connections share a session');
  } finally {
    // A server that does not answer does not close the connection either.
    for (const client of clients) client.end().catch(() => {});
  }
}

/** Two URLs that should lead to one database lead to two. */
class OtherDatabaseError extends Error {
  readonly code = 'OTHER_DATABASE';
}

const IDENTITY = `SELECT (SELECT system_identifier FROM pg_control_system())::text AS cluster, oid::text AS database
  FROM pg_database WHERE datname = current_database()`;

async function identityOf(url: string, applicationName: string, timeoutMs: number): Promise<string> {
  const client = clientOf(url, applicationName, timeoutMs);
  try {
    await client.connect();
    return JSON.stringify((await client.query(IDENTITY)).rows);
  } finally {
    client.end().catch(() => {});
  }
}

/**
 * Connects through a pooler, and shows that it leads to the database that the direct URL leads to.
 * @throws OtherDatabaseError if it leads to another; any other error is that of the pooler, the server or the network
 */
export async function assertSameDatabase(
  pooledUrl: string,
  directUrl: string,
  applicationName: string,
  timeoutMs: number,
): Promise<void> {
  const direct = await identityOf(directUrl, applicationName, timeoutMs);
  const pooled = await identityOf(pooledUrl, applicationName, timeoutMs);
  if (pooled !== direct) throw new OtherDatabaseError('the pooler leads to another database');
}
