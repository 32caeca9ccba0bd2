// For tests only: statements of a test's own on any database.
import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** Rows of one statement, with the owner rights of `dev-credentials.json`. */
export async function queryRows<R extends pg.QueryResultRow>(
  databaseUrl: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<R>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** Statements past every trigger, as a superuser may run them. */
export async function runPastTriggers(databaseUrl: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const statement of ['SET session_replication_role = replica', ...statements]) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A new database on the server of this one, with nothing in it at all. */
export async function createEmptyDatabase(serverUrl: string): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const name = `t_${randomBytes(6).toString('hex')}`;
  const [admin, url] = [new URL(serverUrl), new URL(serverUrl)];
  admin.pathname = '/postgres';
  url.pathname = `/${name}`;
  await queryRows(admin.href, `CREATE DATABASE ${name}`);
  return {
    url: url.href,
    drop: async () => void (await queryRows(admin.href, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}
