import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClientConfig } from 'pg';
import { patient } from '../process/patience.ts';
import { BACKGROUND, lowerPriority } from '../process/priority.ts';
import { StartError } from './errors.ts';
import { isSameProcessAlive } from './file-lock.mjs';
import { isPortFree, randomFreePort } from './ports.ts';
import { CLUSTER_OWNER, type Cluster, type LocalPostgresOptions, openCluster, serverEnv } from './postgres-cluster.ts';
import { endOrphans, judgePredecessor, type ServerTraits } from './predecessor.ts';
import { endingOf, readState, recordProcess, stopProcess, writeState } from './processes.ts';
import { type LocalService, type RunningServer, shareServer } from './shared-service.ts';

const DATABASE_NAME = 'sallyport';
const START_TIMEOUT_MS = 60_000;
const LEAVING_MS = 10_000;
/** Backends notice the death of their postmaster at their next wait; those that run longer than this are ended. */
const ORPHANS_MS = 2_000;
const PORT_ATTEMPTS = 5;

const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  synchronous_commit: 'on',
  max_connections: '200',
  shared_buffers: '128MB',
  max_wal_size: '512MB',
  // After each checkpoint the log takes whole pages: of an idle installation that was most of it.
  checkpoint_timeout: '30min',
  wal_compression: 'on',
  // A commit syncs the log itself, and none here is asynchronous: the writer would sync what need not be on disk yet.
  wal_writer_delay: '10s',
  jit: 'off',
  // Each of their processes takes memory, and a start for one machine needs neither.
  io_method: 'sync',
  max_logical_replication_workers: '0',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Statement texts, parameters and the key values of a failed constraint are personal data: keep them out of the log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

const urlOf = (cluster: Cluster, port: number, name = DATABASE_NAME): string =>
  `postgres://${CLUSTER_OWNER}:${encodeURIComponent(cluster.password)}@127.0.0.1:${port}/${name}`;

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

/** Loads the driver only where a server is asked: other programs read the state of the server from here. */
const newClient = async (cluster: Cluster, port: number, options: ClientConfig = {}): Promise<Client> => {
  const { default: pg } = await import('pg');
  return new pg.Client({ connectionString: urlOf(cluster, port, 'postgres'), ...options });
};

/** Asks the server at `port`, with our password, for its data directory; undefined if it does not answer yet. */
async function askDataDirectory(cluster: Cluster, port: number): Promise<string | undefined> {
  const client = await newClient(cluster, port, { connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const answer = await client.query<{ folder: string }>("SELECT current_setting('data_directory') AS folder");
    return answer.rows[0]?.folder;
  } catch (err) {
    if ((err as { code?: string }).code === '28P01')
      throw new StartError(
        'postgres_password_lost',
        `the Postgres on port ${port} refuses the password kept in the data directory`,
        `put back <data dir>/postgres-password, or move ${cluster.home.data} away to start with an empty database`,
        { cause: err },
      );
    return undefined;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Matches the server and its backends: all of them have the data directory as working directory. */
export const traitsOf = ({ home }: { readonly home: Pick<Cluster['home'], 'data'> }): ServerTraits => ({
  folder: home.data,
  program: /(^|\/)postgres(?=[: ]|$)/,
});

/** The server that an earlier supervisor left running on our data directory, once it answers; undefined if none runs. */
async function adoptLive(cluster: Cluster, waitMs: number): Promise<RunningServer | undefined> {
  const lockFile = join(cluster.home.data, 'postmaster.pid');
  const startedAt = performance.now();
  for (;;) {
    const found = readPostmaster(cluster.home.data);
    if (!found) return undefined;
    const process = recordProcess(found.pid);
    const waitedMs = performance.now() - startedAt;
    const state = judgePredecessor(found.pid, traitsOf(cluster));
    if (state === 'gone' || state === 'another_program' || (state === 'leaving' && waitedMs > LEAVING_MS)) {
      // Postgres checks only `kill(pid, 0)`, which succeeds for a zombie and for another program that has the pid by
      // now. It detects backends of a crashed server that still use the shared memory by the data directory itself.
      rmSync(lockFile, { force: true });
      return undefined;
    }
    if (state === 'running' && found.port > 0 && found.status !== 'stopping') {
      const folder = await askDataDirectory(cluster, found.port);
      if (folder && realpathSync(folder) === realpathSync(cluster.home.data))
        return { url: urlOf(cluster, found.port), startedByUs: false, process };
    }
    if (waitedMs > waitMs)
      throw new StartError(
        'postgres_not_answering',
        `Postgres (pid ${found.pid}) on 127.0.0.1:${found.port} runs on this data directory and does not answer: timed out after ${Math.round(waitMs / 1_000)} s`,
        `check its state (ps -o pid,state,args -p ${found.pid}; state T: kill -CONT ${found.pid}) and ${cluster.logFile}, or end it with kill -QUIT ${found.pid}`,
      );
    await sleep(100);
  }
}

function logTail(cluster: Cluster): string {
  try {
    return readFileSync(cluster.logFile, 'utf8').trim().split('\n').slice(-5).join('\n');
  } catch {
    return '';
  }
}

/** Postgres' message for a data directory that processes of the previous server still use. */
const heldByPredecessor = /lock file "postmaster\.pid" already exists|pre-existing shared memory block/;

type Launched = RunningServer | 'port_taken' | 'held';

/**
 * Makes one attempt on one port. Returns `port_taken` if another program was faster, `held` while processes of a crashed
 * server remain; otherwise throws with the server's message.
 */
async function launch(cluster: Cluster, port: number, inBackground: boolean): Promise<Launched> {
  const { home, user } = cluster;
  const args = Object.entries({ ...settings, port: String(port) }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const log = openSync(cluster.logFile, 'w', 0o600);
  // A separate process group: Ctrl-C in the terminal must not stop the server before the API has drained.
  const child = spawn(join(home.binaries, 'bin/postgres'), ['-D', home.data, ...args], {
    ...(user ? { uid: user.uid, gid: user.gid } : {}),
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
    env: serverEnv,
  });
  if (inBackground && child.pid) lowerPriority(child.pid, BACKGROUND);
  closeSync(log);
  const ended = endingOf(child);
  const deadline = performance.now() + patient(START_TIMEOUT_MS);
  while (ended() === undefined && performance.now() < deadline) {
    const folder = await askDataDirectory(cluster, port);
    if (folder && child.pid && ended() === undefined) {
      child.unref();
      const process = recordProcess(child.pid);
      writeState(cluster.stateFile, { ...process, port });
      return { url: urlOf(cluster, port), startedByUs: true, process };
    }
    await sleep(25);
  }
  const tail = logTail(cluster);
  if (/Address already in use/i.test(tail)) return 'port_taken';
  if (heldByPredecessor.test(tail)) return 'held';
  if (child.pid) await stopProcess(recordProcess(child.pid), [['SIGINT', 5_000]]);
  throw new StartError(
    'postgres_not_started',
    `Postgres did not start (${ended() ?? 'no answer'}):\n${tail}`,
    `see ${cluster.logFile}; or set DATABASE_URL to a server of your own`,
  );
}

async function ensureDatabase(cluster: Cluster, url: string): Promise<void> {
  const port = Number(new URL(url).port);
  const client = await newClient(cluster, port);
  await client.connect();
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE_NAME]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE_NAME}`);
  } finally {
    await client.end();
  }
}

async function startOrAdopt(options: LocalPostgresOptions): Promise<RunningServer> {
  const cluster = await openCluster(options);
  const running = await settle(cluster, options.inBackground ?? false, options.waitMs ?? patient(START_TIMEOUT_MS));
  await ensureDatabase(cluster, running.url);
  return running;
}

/** Adopts the running server, or starts one as soon as no process of a crashed server uses the data directory. */
async function settle(cluster: Cluster, inBackground: boolean, waitMs: number): Promise<RunningServer> {
  const startedAt = performance.now();
  for (;;) {
    const running = (await adoptLive(cluster, waitMs)) ?? (await launchOnFreePort(cluster, inBackground));
    if (running !== 'held') return running;
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > waitMs)
      throw new StartError(
        'postgres_held',
        `processes of a crashed Postgres still use ${cluster.home.data}:\n${logTail(cluster)}`,
        'end them (ps -ef | grep postgres), then start again',
      );
    if (waitedMs > ORPHANS_MS) await endOrphans(traitsOf(cluster));
    await sleep(100);
  }
}

async function launchOnFreePort(cluster: Cluster, inBackground: boolean): Promise<RunningServer | 'held'> {
  const remembered = readState(cluster.stateFile)?.port ?? 0;
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt += 1) {
    const reuse = attempt === 0 && remembered > 0 && (await isPortFree(remembered, '127.0.0.1'));
    const port = reuse ? remembered : await randomFreePort();
    const running = await launch(cluster, port, inBackground);
    if (running !== 'port_taken') return running;
  }
  throw new StartError(
    'no_free_port',
    'no free port on 127.0.0.1 for Postgres',
    'free some ports, or set DATABASE_URL',
  );
}

/**
 * The embedded Postgres of a data directory: adopted if an earlier supervisor left it running, else started (and created
 * the first time). It listens on 127.0.0.1 only and outlives a killed supervisor; `url` has owner rights.
 *
 * @throws StartError with the fix in its text
 */
export const startPostgres = (options: LocalPostgresOptions): Promise<LocalService> =>
  shareServer({
    dataDir: options.dataDir,
    name: 'postgres',
    say: options.say,
    start: () => startOrAdopt(options),
    end: (server) =>
      stopProcess(server.process, [
        ['SIGINT', 6_000],
        ['SIGQUIT', 1_500],
      ]),
  });

/** Connection URL of the embedded Postgres of this data directory if it runs, else undefined; starts nothing. */
export function findPostgresUrl(dataDir: string): string | undefined {
  const data = join(dataDir, 'postgres-18');
  const found = readPostmaster(data);
  if (!found || !isSameProcessAlive({ pid: found.pid })) return undefined;
  try {
    const password = readFileSync(join(dataDir, 'postgres-password'), 'utf8').trim();
    return `postgres://${CLUSTER_OWNER}:${encodeURIComponent(password)}@127.0.0.1:${found.port}/${DATABASE_NAME}`;
  } catch {
    return undefined;
  }
}
