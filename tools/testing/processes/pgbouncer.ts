// For tests only: a real PgBouncer in transaction mode, with the configuration of deploy/.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { postgresUser } from '#services/platform/local/service-user.ts';
import { ensureProgram, librariesOf } from '#tools/checks/debian-package.ts';
import { eventually } from '../eventually.ts';

export type PgBouncer = {
  /** Leads to the database through the pooler. */
  readonly url: string;
  /** Kills it, and waits until it has ended. */
  kill(): Promise<void>;
  /** Starts it again on its port. */
  start(): Promise<void>;
  /**
   * What transactions have left in the sessions of PostgreSQL, all of which it opens: settings, roles, locks, prepared
   * statements, channels, temporary tables. None of it may outlive a transaction.
   */
  residue(): Promise<string[]>;
  dispose(): Promise<void>;
};

const PGBOUNCER = {
  package: 'pgbouncer',
  name: 'pgbouncer',
  path: 'usr/sbin/pgbouncer',
  libraries: { 'libc-ares2': 'libcares.so.2', 'libevent-2.1-7': 'libevent-2.1.so.7' },
};

/** The pooler itself sets these for each of its clients. */
const ITS_OWN = ['application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings'];

const RESIDUE = `
  SELECT 'setting ' || name AS left_over FROM pg_settings WHERE source = 'session' AND name <> ALL ($1)
  UNION ALL SELECT 'role ' || current_user WHERE current_user <> session_user
  UNION ALL SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
  UNION ALL SELECT 'prepared statement' FROM pg_prepared_statements
  UNION ALL SELECT 'channel ' || pg_listening_channels()
  UNION ALL SELECT 'table ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'`;

/**
 * @param settings lines of its configuration, over those of deploy/
 * @param logins URLs with the logins that it lets in, beside that of `databaseUrl`
 */
export async function startPgBouncer(
  databaseUrl: string,
  {
    poolSize = 4,
    settings = [],
    logins = [],
  }: { readonly poolSize?: number; readonly settings?: readonly string[]; readonly logins?: readonly string[] } = {},
): Promise<PgBouncer> {
  const program = ensureProgram(PGBOUNCER);
  const env = { ...process.env, ...librariesOf(PGBOUNCER) };
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-pgbouncer-'));
  const port = await randomFreePort();
  const at = new URL(databaseUrl);
  const quoted = (text: string): string => `"${decodeURIComponent(text).replaceAll('"', '""')}"`;
  const files = {
    'databases.ini': `[databases]\n* = host=${at.hostname} port=${at.port || 5432}\n`,
    'users.txt': [at, ...logins.map((login) => new URL(login))]
      .map(({ username, password }) => `${quoted(username)} ${quoted(password)}\n`)
      .join(''),
    // A later line replaces an earlier one.
    'pgbouncer.ini': [
      readFileSync(join(repositoryRoot, 'deploy/pgbouncer/pgbouncer.ini'), 'utf8'),
      `listen_port = ${port}`,
      'unix_socket_dir =',
      `default_pool_size = ${poolSize}`,
      ...settings,
      '',
    ].join('\n'),
  };
  // It refuses to run as root.
  const user = postgresUser(() => {});
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  for (const name of ['.', ...Object.keys(files)]) if (user) chownSync(join(folder, name), user.uid, user.gid);
  chmodSync(folder, 0o700);

  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let said = '';
  const kill = async (): Promise<void> => {
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 5_000 });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const start = async (): Promise<void> => {
    child = spawn(program, ['pgbouncer.ini'], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => (said += part));
    await eventually('PgBouncer', async () => {
      if (child?.exitCode !== null) throw new Error(`PgBouncer has ended: ${said}`);
      return connect().then(
        (client) => client.end().then(() => true),
        () => false,
      );
    });
  };
  const dispose = async (): Promise<void> => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  };
  await start().catch(async (err: unknown) => {
    await dispose();
    throw err;
  });
  return {
    url: url.href,
    kill,
    start,
    residue: async () => {
      const clients = await Promise.all(Array.from({ length: poolSize }, connect));
      try {
        // Open at once, so that each has another session.
        await Promise.all(clients.map((client) => client.query('BEGIN')));
        const found = await Promise.all(
          clients.map((client) => client.query<{ left_over: string }>(RESIDUE, [ITS_OWN])),
        );
        await Promise.all(clients.map((client) => client.query('COMMIT')));
        return [...new Set(found.flatMap(({ rows }) => rows.map((row) => row.left_over)))].sort();
      } finally {
        await Promise.all(clients.map((client) => client.end()));
      }
    },
    dispose,
  };
}
