import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { restoreDrillNotAllowed } from '../backups/errors.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const INSUFFICIENT_PRIVILEGE = '42501';
const named = pg.escapeIdentifier;

/**
 * Works in an empty database that is dropped afterwards, and first drops those that a killed process left under the same
 * prefix. The login of the URL must be allowed to create databases; the URL names any database of the server.
 *
 * @throws restoreDrillNotAllowed
 */
export async function inScratchDatabase<T>(
  serverUrl: string,
  prefix: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const admin = new pg.Client({
    connectionString: serverUrl,
    application_name: 'sallyport-restore-drill',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  // A lost connection also rejects the statement in progress.
  admin.on('error', () => {});
  await admin.connect();
  const drop = (name: string) => admin.query(`DROP DATABASE IF EXISTS ${named(name)} WITH (FORCE)`);
  try {
    const { rows } = await admin.query<{ name: string }>(
      'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)',
      [prefix],
    );
    for (const { name } of rows) await drop(name);
    const name = `${prefix}${randomBytes(6).toString('hex')}`;
    await admin.query(`CREATE DATABASE ${named(name)} TEMPLATE template0`).catch((err: { code?: string }) => {
      throw err.code === INSUFFICIENT_PRIVILEGE ? restoreDrillNotAllowed({ cause: err }) : err;
    });
    const url = new URL(serverUrl);
    url.pathname = `/${name}`;
    try {
      return await work(url.href);
    } finally {
      await drop(name);
    }
  } finally {
    await admin.end();
  }
}
