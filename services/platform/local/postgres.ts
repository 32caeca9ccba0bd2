import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { createSecretFile, randomSecret } from './data-dir.ts';
import { StartError } from './errors.ts';
import { isSameProcessAlive } from './file-lock.mjs';
import { isPortFree, randomFreePort } from './ports.ts';
import { type PostgresHome, postgresHome } from './postgres-home.ts';
import { recordProcess, stopProcess } from './processes.ts';
import { giveTo, postgresUser, type ServiceUser } from './service-user.ts';
import { type LocalService, type RunningServer, shareServer } from './shared-service.ts';

const owner = 'sallyport';
const database = 'sallyport';
const startTimeoutMs = 60_000;
const portAttempts = 5;

export interface LocalPostgresOptions {
  /** Absolute path; created if absent. */
  dataDir: string;
  say: (text: string) => void;
}

const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  synchronous_commit: 'on',
  max_connections: '200',
  shared_buffers: '128MB',
  max_wal_size: '512MB',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Statement texts, parameters and the key values of a failed constraint are personal data: keep them out of the log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

interface Cluster {
  home: PostgresHome;
  user: ServiceUser | undefined;
  password: string;
  logFile: string;
  portFile: string;
}

const urlOf = (cluster: Cluster, port: number, name = database): string =>
  `postgres://${owner}:${encodeURIComponent(cluster.password)}@127.0.0.1:${port}/${name}`;

/** Nothing of our own environment (it may hold secrets) reaches the server. */
const serverEnv = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** An existing cluster runs as whoever owns it, whatever user a new one would get. */
function clusterUser(data: string, chosen: ServiceUser | undefined): ServiceUser | undefined {
  const stat = statSync(data, { throwIfNoEntry: false });
  if (!stat) return chosen;
  if (!chosen) {
    if (stat.uid === process.getuid?.()) return undefined;
    throw new StartError(
      'data_dir_of_another_user',
      `${data} belongs to another user (uid ${stat.uid})`,
      'start as that user, or set SALLYPORT_DATA_DIR to a new place',
    );
  }
  return stat.uid === 0 || stat.uid === chosen.uid ? chosen : { name: `uid ${stat.uid}`, uid: stat.uid, gid: stat.gid };
}

/** Makes a new cluster beside its final place and moves it there whole, so an interrupted one is never half there. */
function initialise(cluster: Cluster): void {
  const { home, user, password } = cluster;
  const partial = `${home.data}.new-${randomSecret(6)}`;
  const passwordFile = `${partial}.password`;
  const identity = user ? { uid: user.uid, gid: user.gid } : {};
  try {
    mkdirSync(partial, { mode: 0o700 });
    writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' });
    if (user) {
      giveTo(user, partial);
      giveTo(user, passwordFile);
    }
    const args = ['-D', partial, '-U', owner, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'];
    args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C', '--no-instructions');
    const result = spawnSync(join(home.binaries, 'bin/initdb'), args, {
      ...identity,
      cwd: '/',
      env: serverEnv,
      encoding: 'utf8',
    });
    if (result.status !== 0) {
      const cause = result.error?.message ?? result.stderr.trim();
      throw new StartError(
        'initdb_failed',
        `Postgres could not create ${home.data}: ${cause}`,
        'mend that, or set DATABASE_URL',
      );
    }
    renameSync(partial, home.data);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Pid and port of the server that last ran on this data directory, from its lock file. */
function readPostmaster(data: string): { pid: number; port: number; status: string } | undefined {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    const pid = Number(lines[0]);
    return pid > 0 ? { pid, port: Number(lines[3]), status: lines[7]?.trim() ?? '' } : undefined;
  } catch {
    return undefined;
  }
}

/** The data directory of the server at `port`, asked with our password; undefined when it does not answer yet. */
async function askDataDirectory(cluster: Cluster, port: number): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: urlOf(cluster, port, 'postgres'), connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const answer = await client.query<{ folder: string }>("SELECT current_setting('data_directory') AS folder");
    return answer.rows[0]?.folder;
  } catch (err) {
    if ((err as { code?: string }).code === '28P01') {
      throw new StartError(
        'postgres_password_lost',
        `the Postgres on port ${port} refuses the password kept in the data directory`,
        `put back <data dir>/postgres-password, or move ${cluster.home.data} away to start with an empty database`,
        { cause: err },
      );
    }
    return undefined;
  } finally {
    await client.end().catch(() => {});
  }
}

/** A server that a predecessor left running on our data directory, once it answers; undefined when there is none. */
async function adoptLive(cluster: Cluster): Promise<RunningServer | undefined> {
  const deadline = performance.now() + startTimeoutMs;
  while (performance.now() < deadline) {
    const found = readPostmaster(cluster.home.data);
    if (!found) return undefined;
    const process = recordProcess(found.pid);
    if (!isSameProcessAlive(process)) return undefined;
    if (found.port > 0 && found.status !== 'stopping') {
      const folder = await askDataDirectory(cluster, found.port);
      if (folder && realpathSync(folder) === realpathSync(cluster.home.data)) {
        return { url: urlOf(cluster, found.port), startedByUs: false, process };
      }
      // The pid was left in the file by a crash and belongs to something else by now: the server judges it itself.
      if (folder || !/postgres/.test(commandOf(found.pid))) return undefined;
    }
    await sleep(100);
  }
  return undefined;
}

function commandOf(pid: number): string {
  return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '';
}

function logTail(cluster: Cluster): string {
  try {
    return readFileSync(cluster.logFile, 'utf8').trim().split('\n').slice(-5).join('\n');
  } catch {
    return '';
  }
}

/** One attempt on one port; `port_taken` when another program was faster, else throws with the server's own words. */
async function launch(cluster: Cluster, port: number): Promise<RunningServer | 'port_taken'> {
  const { home, user } = cluster;
  const args = Object.entries({ ...settings, port: String(port) }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const log = openSync(cluster.logFile, 'w', 0o600);
  // A group of its own: a Ctrl-C in the terminal must not reach the server before the API has drained.
  const child = spawn(join(home.binaries, 'bin/postgres'), ['-D', home.data, ...args], {
    ...(user ? { uid: user.uid, gid: user.gid } : {}),
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
    env: serverEnv,
  });
  closeSync(log);
  let ended: string | undefined;
  child.once('error', (err) => {
    ended = err.message;
  });
  child.once('exit', (code, signal) => {
    ended = `exit ${signal ?? code}`;
  });
  const deadline = performance.now() + startTimeoutMs;
  while (ended === undefined && performance.now() < deadline) {
    const folder = await askDataDirectory(cluster, port);
    if (folder && child.pid && ended === undefined) {
      child.unref();
      return { url: urlOf(cluster, port), startedByUs: true, process: recordProcess(child.pid) };
    }
    await sleep(25);
  }
  const tail = logTail(cluster);
  if (/Address already in use/i.test(tail)) return 'port_taken';
  if (child.pid) await stopProcess(recordProcess(child.pid), [['SIGINT', 5_000]]);
  throw new StartError(
    'postgres_not_started',
    `Postgres did not start (${ended ?? 'no answer'}):\n${tail}`,
    `see ${cluster.logFile}; or set DATABASE_URL to a server of your own`,
  );
}

async function ensureDatabase(cluster: Cluster, url: string): Promise<void> {
  const port = Number(new URL(url).port);
  const client = new pg.Client({ connectionString: urlOf(cluster, port, 'postgres') });
  await client.connect();
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${database}`);
  } finally {
    await client.end();
  }
}

async function startOrAdopt(dataDir: string, say: (text: string) => void): Promise<RunningServer> {
  const chosen = postgresUser(say);
  const home = postgresHome(dataDir, chosen, say);
  const cluster: Cluster = {
    home,
    user: clusterUser(home.data, chosen),
    password: createSecretFile(join(dataDir, 'postgres-password'), randomSecret(24)),
    logFile: join(dataDir, 'run/postgres.log'),
    portFile: join(dataDir, 'run/postgres.port'),
  };
  if (!existsSync(join(home.data, 'PG_VERSION'))) {
    say('creating the embedded Postgres …');
    initialise(cluster);
  }
  const adopted = await adoptLive(cluster);
  const running = adopted ?? (await launchOnFreePort(cluster));
  await ensureDatabase(cluster, running.url);
  return running;
}

async function launchOnFreePort(cluster: Cluster): Promise<RunningServer> {
  const remembered = existsSync(cluster.portFile) ? Number(readFileSync(cluster.portFile, 'utf8')) : 0;
  for (let attempt = 0; attempt < portAttempts; attempt += 1) {
    const reuse = attempt === 0 && remembered > 0 && (await isPortFree(remembered, '127.0.0.1'));
    const port = reuse ? remembered : await randomFreePort();
    const running = await launch(cluster, port);
    if (running === 'port_taken') continue;
    writeFileSync(cluster.portFile, String(port), { mode: 0o600 });
    return running;
  }
  throw new StartError(
    'no_free_port',
    'no free port on 127.0.0.1 for Postgres',
    'free some ports, or set DATABASE_URL',
  );
}

/**
 * The embedded Postgres of a data directory: adopted when a predecessor left it running, else started (and made, the
 * first time). It listens on 127.0.0.1 only and outlives a killed supervisor; `url` carries owner rights.
 *
 * @throws StartError with the fix in its text
 */
export function startPostgres({ dataDir, say }: LocalPostgresOptions): Promise<LocalService> {
  return shareServer({
    dataDir,
    name: 'postgres',
    say,
    start: () => startOrAdopt(dataDir, say),
    end: (server) =>
      stopProcess(server.process, [
        ['SIGINT', 6_000],
        ['SIGQUIT', 1_500],
      ]),
  });
}

/** The connection URL of a running embedded Postgres of this data directory, or undefined; starts nothing. */
export function findPostgresUrl(dataDir: string): string | undefined {
  const data = join(dataDir, 'postgres-18');
  const found = readPostmaster(data);
  if (!found || !isSameProcessAlive({ pid: found.pid })) return undefined;
  try {
    const password = readFileSync(join(dataDir, 'postgres-password'), 'utf8').trim();
    return `postgres://${owner}:${encodeURIComponent(password)}@127.0.0.1:${found.port}/${database}`;
  } catch {
    return undefined;
  }
}
