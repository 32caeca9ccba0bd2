import pg from 'pg';

/** Any number: starts that run at once take turns. */
const LOCK = 7_320_114;

/**
 * Creates the database of the tasks API beside the product's, on the same server, with a role that owns it and can
 * read nothing else. Safe to repeat.
 * @param ownerUrl of the product's database, with the right to create roles and databases
 * @param suffix after the name of the product's database
 * @returns the URL for the tasks API
 */
export async function prepareTasksDatabase(ownerUrl: string, password: string, suffix = '_tasks'): Promise<string> {
  const url = new URL(ownerUrl);
  const name = `${decodeURIComponent(url.pathname.slice(1))}${suffix}`;
  const quoted = pg.escapeIdentifier(name);
  const client = new pg.Client({ connectionString: ownerUrl, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    const isThere = async (sql: string): Promise<boolean> => (await client.query(sql, [name])).rowCount === 1;
    if (!(await isThere('SELECT 1 FROM pg_roles WHERE rolname = $1')))
      await client.query(`CREATE ROLE ${quoted} LOGIN`);
    await client.query(`ALTER ROLE ${quoted} PASSWORD ${pg.escapeLiteral(password)}`);
    if (!(await isThere('SELECT 1 FROM pg_database WHERE datname = $1'))) {
      // Only a member of a role can give it a database.
      await client.query(`GRANT ${quoted} TO CURRENT_USER`);
      await client.query(`CREATE DATABASE ${quoted} OWNER ${quoted}`);
    }
    await client.query(`REVOKE CONNECT ON DATABASE ${quoted} FROM PUBLIC`);
  } finally {
    await client.end();
  }
  url.username = encodeURIComponent(name);
  url.password = encodeURIComponent(password);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}
