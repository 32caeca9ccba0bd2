import { type ChildProcess, spawn } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { recordProcess, sendSignal, waitForExit } from '#services/platform/local/processes.ts';
import { postgresUser, type ServiceUser } from '#services/platform/local/service-user.ts';
import { onPath } from '#tools/checks/debian-package.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { descendantsOf } from '#tools/testing/processes/alive.ts';
import { queryAt } from '../query.ts';

const NODES = ['pg1', 'pg2', 'pg3'] as const;
type NodeName = (typeof NODES)[number];

const OWNER = 'sallyport';
const PASSWORD = 'chaos';
const START_MS = 120_000;
const EXIT_MS = 20_000;
const DEBIAN_POSTGRES = '/usr/lib/postgresql';

/** As docs/how-to/run-in-production.md gives them: the longest wait for a dead machine is the time to live. */
const DCS = { ttl: 20, loop_wait: 5, retry_timeout: 5, primary_start_timeout: 0, synchronous_mode: true };

type Node = {
  readonly name: NodeName;
  readonly port: number;
  readonly restPort: number;
  readonly configFile: string;
  readonly logFile: string;
  patroni: ChildProcess | undefined;
};

/** Three PostgreSQL under Patroni with synchronous replication, etcd, and HAProxy with the configuration of deploy/. */
export type PatroniCluster = {
  /** Of the primary, by HAProxy. */
  readonly url: string;
  /** Who says that it is the primary, by its own database; undefined while none does. */
  primary(): Promise<NodeName | undefined>;
  /** The synchronous standby, as Patroni has recorded it. */
  standby(): Promise<NodeName | undefined>;
  /** Kills PostgreSQL with SIGKILL, or the whole machine: Patroni with it. */
  kill(node: NodeName, what: 'postgres' | 'machine'): Promise<void>;
  /** Starts what was killed, and waits until the primary has a synchronous standby and every node streams. */
  mend(): Promise<void>;
  query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>;
  dispose(): Promise<void>;
};

function needed(name: string, packageName: string): string {
  const found = onPath(name) ?? onPath(name, '/usr/sbin:/usr/bin');
  if (found === undefined) throw new Error(`no ${name} here. Run: sudo apt-get install ${packageName}`);
  return found;
}

function debianPostgres(): string {
  const newest = existsSync(DEBIAN_POSTGRES)
    ? readdirSync(DEBIAN_POSTGRES)
        .sort((one, other) => Number(other) - Number(one))
        .map((version) => join(DEBIAN_POSTGRES, version, 'bin'))
        .find((folder) => existsSync(join(folder, 'pg_rewind')))
    : undefined;
  if (newest === undefined)
    throw new Error(`no PostgreSQL in ${DEBIAN_POSTGRES}. Run: sudo apt-get install postgresql patroni etcd-server`);
  return newest;
}

/** Patroni's configuration; JSON is YAML. */
const configOf = (node: Omit<Node, 'patroni' | 'logFile'>, folder: string, etcdPort: number): string =>
  JSON.stringify({
    scope: 'sallyport',
    name: node.name,
    restapi: { listen: `127.0.0.1:${node.restPort}`, connect_address: `127.0.0.1:${node.restPort}` },
    etcd3: { host: `127.0.0.1:${etcdPort}` },
    bootstrap: {
      dcs: {
        ...DCS,
        postgresql: {
          use_pg_rewind: true,
          use_slots: true,
          parameters: { max_connections: 200, wal_log_hints: 'on', max_wal_senders: 10, wal_keep_size: '256MB' },
        },
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }],
    },
    postgresql: {
      listen: `127.0.0.1:${node.port}`,
      connect_address: `127.0.0.1:${node.port}`,
      data_dir: join(folder, node.name, 'data'),
      pgpass: join(folder, node.name, 'pgpass'),
      bin_dir: debianPostgres(),
      authentication: {
        superuser: { username: OWNER, password: PASSWORD },
        replication: { username: 'replicator', password: PASSWORD },
        rewind: { username: 'rewinder', password: PASSWORD },
      },
      pg_hba: ['host replication replicator 127.0.0.1/32 scram-sha-256', 'host all all 127.0.0.1/32 scram-sha-256'],
      parameters: { unix_socket_directories: join(folder, node.name), log_min_error_statement: 'panic' },
    },
  });

type Member = { readonly name: NodeName; readonly role: string; readonly state: string };

/** The cluster as the Patroni at this port of its REST API sees it. */
const membersSaidBy = (restPort: number): Promise<readonly Member[]> =>
  fetch(`http://127.0.0.1:${restPort}/cluster`, { signal: AbortSignal.timeout(1_000) })
    .then((answer) => answer.json() as Promise<{ members: Member[] }>)
    .then(
      ({ members }) => members.filter(({ state }) => state === 'running' || state === 'streaming'),
      () => [],
    );

export async function startPatroniCluster(folder: string, say: (text: string) => void): Promise<PatroniCluster> {
  const programs = {
    etcd: needed('etcd', 'etcd-server'),
    patroni: needed('patroni', 'patroni'),
    haproxy: needed('haproxy', 'haproxy'),
  };
  const user: ServiceUser | undefined = postgresUser(say);
  const identity = user ? { uid: user.uid, gid: user.gid } : {};
  const makeFolder = (name: string): string => {
    const path = join(folder, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (user) chownSync(path, user.uid, user.gid);
    return path;
  };
  const children: ChildProcess[] = [];
  const start = (command: string, args: readonly string[], logFile: string, env: NodeJS.ProcessEnv = {}) => {
    const log = openSync(logFile, 'a', 0o600);
    const child = spawn(command, args, {
      ...identity,
      cwd: '/',
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', TZ: 'UTC', ...env },
    });
    closeSync(log);
    children.push(child);
    return child;
  };

  const [etcdPort, peerPort, publicPort] = await Promise.all([randomFreePort(), randomFreePort(), randomFreePort()]);
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const etcdHome = makeFolder('etcd');
  start(
    programs.etcd,
    [
      ...['--name', 'etcd1', '--data-dir', join(etcdHome, 'data'), '--initial-cluster', `etcd1=${peerUrl}`],
      ...['--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
    ],
    join(folder, 'etcd.log'),
  );

  const nodes: Node[] = [];
  for (const name of NODES) {
    const home = makeFolder(name);
    const [port, restPort] = [await randomFreePort(), await randomFreePort()];
    const configFile = join(home, 'patroni.yml');
    writeFileSync(configFile, configOf({ name, port, restPort, configFile }, folder, etcdPort), { mode: 0o600 });
    if (user) chownSync(configFile, user.uid, user.gid);
    nodes.push({ name, port, restPort, configFile, logFile: join(folder, `${name}.log`), patroni: undefined });
  }
  const startNode = (node: Node): void => {
    node.patroni = start(programs.patroni, [node.configFile], node.logFile);
  };
  const urlAt = (port: number, database = 'sallyport'): string =>
    `postgres://${OWNER}:${PASSWORD}@127.0.0.1:${port}/${database}`;
  const isPrimaryAt = (port: number, connectMs?: number): Promise<boolean> =>
    queryAt<{ is: boolean }>(urlAt(port, 'postgres'), 'SELECT NOT pg_is_in_recovery() AS is', [], connectMs).then(
      ([row]) => row?.is === true,
      () => false,
    );
  const primary = async (): Promise<NodeName | undefined> => {
    const said = await Promise.all(nodes.map(({ port }) => isPrimaryAt(port, 1_000)));
    return nodes.find((_, at) => said[at])?.name;
  };
  /** Of PostgreSQL at a node; none where it does not run. */
  const pidsOf = ({ name }: Node): number[] => {
    try {
      const pid = Number(readFileSync(join(folder, name, 'data/postmaster.pid'), 'utf8').split('\n')[0]);
      return [pid, ...descendantsOf(pid)];
    } catch {
      return [];
    }
  };
  const killAll = async (pids: Iterable<number>): Promise<void> => {
    const records = [...pids].map(recordProcess).filter(({ start: since }) => since !== undefined);
    for (const { pid } of records) sendSignal(pid, 'SIGKILL');
    await Promise.all(records.map((record) => waitForExit(record, EXIT_MS)));
  };
  const membersNow = async (): Promise<readonly Member[]> => {
    const answers = await Promise.all(nodes.map(({ restPort }) => membersSaidBy(restPort)));
    return answers.find((members) => members.length === NODES.length) ?? [];
  };
  /** As Patroni has recorded it: before that no standby may take the place of the primary. */
  const isWhole = async (): Promise<boolean> => {
    const roles = (await membersNow()).map(({ role }) => role);
    return roles.includes('leader') && roles.includes('sync_standby') && (await standbysOf()) === NODES.length - 1;
  };
  const standbysOf = async (): Promise<number> => {
    const name = await primary();
    const node = nodes.find((each) => each.name === name);
    if (!node) return 0;
    const text = `SELECT count(*)::int AS n FROM pg_stat_replication WHERE state = 'streaming'`;
    const [row] = await queryAt<{ n: number }>(urlAt(node.port, 'postgres'), text, [], 1_000).catch(() => []);
    return row?.n ?? 0;
  };
  const whole = (): Promise<unknown> => eventually('two standbys, one of them synchronous', isWhole, START_MS);

  async function endAll(): Promise<void> {
    const pids = nodes.flatMap(pidsOf);
    // Patroni would start PostgreSQL again.
    for (const child of children)
      if (child.pid !== undefined && child.exitCode === null) sendSignal(child.pid, 'SIGKILL');
    await killAll(pids);
  }

  try {
    for (const node of nodes) startNode(node);
    await eventually('a primary', primary, START_MS);
    await whole();
    const servers = nodes
      .map(({ name, port, restPort }) => `  server ${name} 127.0.0.1:${port} check port ${restPort}`)
      .join('\n');
    const serversFile = join(folder, 'postgres-servers.cfg');
    writeFileSync(serversFile, `backend postgres_primary from primary\n${servers}\n`);
    const own = join(folder, 'postgres.cfg');
    // HAProxy runs as the user of PostgreSQL, who may not be able to read the checkout.
    writeFileSync(own, readFileSync(join(repositoryRoot, 'deploy/haproxy/postgres.cfg')), { mode: 0o644 });
    start(programs.haproxy, ['-db', '-f', own, '-f', serversFile], join(folder, 'haproxy.log'), {
      POSTGRES_BIND: `127.0.0.1:${publicPort}`,
    });
    // Until its first checks HAProxy takes every server for the primary.
    await sleep(3_000);
    await eventually('HAProxy to lead to the primary', () => isPrimaryAt(publicPort), START_MS);
    await queryAt(urlAt(publicPort, 'postgres'), 'CREATE DATABASE sallyport');
  } catch (err) {
    await endAll();
    throw err;
  }
  return {
    url: urlAt(publicPort),
    primary,
    standby: async () => (await membersNow()).find(({ role }) => role === 'sync_standby')?.name,
    kill: async (name, what) => {
      const node = nodes.find((each) => each.name === name)!;
      const patroni = what === 'machine' ? node.patroni?.pid : undefined;
      await killAll(new Set([...(patroni === undefined ? [] : [patroni, ...descendantsOf(patroni)]), ...pidsOf(node)]));
      if (what === 'machine') node.patroni = undefined;
    },
    mend: async () => {
      for (const node of nodes) if (node.patroni === undefined || node.patroni.exitCode !== null) startNode(node);
      await whole();
    },
    query: (text, values) => queryAt(urlAt(publicPort), text, values),
    dispose: async () => {
      await endAll();
      await sleep(100);
    },
  };
}
