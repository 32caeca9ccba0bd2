import { execFile } from 'node:child_process';
import { chmodSync, chownSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type pg from 'pg';
import { ensureDataDir } from '#services/platform/local/data-dir.ts';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { readState, recordProcess, sendSignal, waitForExit } from '#services/platform/local/processes.ts';
import { startRedis } from '#services/platform/local/redis.ts';
import type { LocalService } from '#services/platform/local/shared-service.ts';
import { descendantsOf } from '#tools/testing/processes/alive.ts';
import { type PatroniCluster, startPatroniCluster } from './cluster/patroni.ts';
import { queryAt, withClient } from './query.ts';

const DATA = 'postgres-18';
const EXIT_MS = 20_000;

export type StoreName = 'postgres' | 'redis';

/** A PostgreSQL and a Redis that the suite kills, freezes, replaces and starts again. */
export type ChaosStores = {
  url(store: StoreName): string;
  /** The store's main process and, of Postgres, its backends. */
  pids(store: StoreName): readonly number[];
  /** Sends a signal to the main process, and waits until nothing of the store is left. */
  end(store: StoreName, signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on its port, or another. */
  revive(store: StoreName): Promise<void>;
  query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>;
  /** Copies the running cluster's files to a folder, consistent as of now. */
  backup(to: string): Promise<void>;
  /** Ends the cluster and starts the one from that backup in its place. @param onEnded called between the two */
  restoreFrom(backup: string, onEnded: () => void): Promise<void>;
  /** Three PostgreSQL under Patroni, where the run has them: it then has no other faults of PostgreSQL. */
  readonly cluster?: PatroniCluster;
  /** Starts a standby that streams from this address of the primary. */
  startStandby(primaryUrl: string): Promise<Standby>;
  dispose(): Promise<void>;
};

type Standby = {
  /** Waits until it has everything the primary had when asked. */
  caughtUp(): Promise<void>;
  /** Ends the primary for good; the standby is the cluster from now on. @param onEnded called between the two */
  promote(onEnded: () => void): Promise<void>;
};

/** A file of the user that owns the cluster. */
function writeOwned(data: string, name: string, text: string): void {
  const { uid, gid } = statSync(join(data, 'PG_VERSION'));
  writeFileSync(join(data, name), text, { mode: 0o600 });
  chownSync(join(data, name), uid, gid);
}

/** A folder that the user of the cluster can enter. */
function makeHome(home: string): void {
  ensureDataDir(home);
  chmodSync(home, 0o755);
}

/** Files that vanish while they are copied are temporary ones. */
const copyFiles = (from: string, to: string): Promise<unknown> =>
  promisify(execFile)('cp', ['-a', from, to]).catch(() => undefined);

export async function startChaosStores(folder: string): Promise<ChaosStores> {
  const say = (): void => {};
  let home = join(folder, 'stores');
  makeHome(home);
  const redisHome = home;
  const [postgres, redis] = await Promise.all([
    startPostgres({ dataDir: home, say }),
    startRedis({ dataDir: home, say }),
  ]);
  const services: Record<StoreName, LocalService> = { postgres, redis };
  const query: ChaosStores['query'] = (text, values) => queryAt(services.postgres.url, text, values);
  const pids = (store: StoreName): number[] => {
    const { pid } = readState(join(store === 'redis' ? redisHome : home, 'run', `${store}.json`))!;
    return [pid, ...descendantsOf(pid)];
  };
  const end: ChaosStores['end'] = async (store, signal) => {
    const [main, ...backends] = pids(store).map(recordProcess);
    sendSignal(main!.pid, signal);
    await waitForExit(main!, EXIT_MS);
    // Backends of a killed postmaster notice by themselves; a new one refuses to start beside them.
    if (signal === 'SIGKILL') for (const { pid } of backends) sendSignal(pid, 'SIGKILL');
    for (const backend of backends) await waitForExit(backend, EXIT_MS);
  };
  const backup = async (to: string): Promise<void> => {
    makeHome(to);
    const data = join(to, DATA);
    await withClient(services.postgres.url, async (client) => {
      await client.query(`SELECT pg_backup_start('chaos', true)`);
      await copyFiles(join(home, DATA), data);
      await copyFiles(join(home, 'postgres-password'), join(to, 'postgres-password'));
      const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
      // What was written since the start is needed to be consistent.
      await copyFiles(`${join(home, DATA, 'pg_wal')}/.`, join(data, 'pg_wal'));
      writeOwned(data, 'backup_label', rows[0]!.labelfile);
    });
    for (const file of ['postmaster.pid', 'postmaster.opts']) rmSync(join(data, file), { force: true });
  };
  return {
    url: (store) => services[store].url,
    pids,
    end,
    revive: async (store) => void (await services[store].revive()),
    query,
    backup,
    restoreFrom: async (from, onEnded) => {
      await end('postgres', 'SIGINT');
      onEnded();
      renameSync(join(home, DATA), join(home, `${DATA}.lost-${Date.now()}`));
      await copyFiles(join(from, DATA), join(home, DATA));
      await services.postgres.revive();
    },
    startStandby: async (primaryUrl) => {
      const standbyHome = join(folder, `standby-${Date.now()}`);
      await backup(standbyHome);
      const data = join(standbyHome, DATA);
      const { hostname, port, username, password } = new URL(primaryUrl);
      const link = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`;
      writeOwned(data, 'standby.signal', '');
      writeOwned(data, 'postgresql.auto.conf', `primary_conninfo = '${link}'\nwal_retrieve_retry_interval = '200ms'\n`);
      const standby = await startPostgres({ dataDir: standbyHome, say });
      return {
        caughtUp: async () => {
          const [at] = await query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
          const isThere = `SELECT 1 WHERE pg_last_wal_replay_lsn() >= $1::pg_lsn`;
          while ((await queryAt(standby.url, isThere, [at!.lsn])).length === 0) await sleep(50);
        },
        promote: async (onEnded) => {
          await end('postgres', 'SIGKILL');
          onEnded();
          await services.postgres.stop();
          await queryAt(standby.url, 'SELECT pg_promote(true, 60)');
          services.postgres = standby;
          home = standbyHome;
        },
      };
    },
    dispose: async () => void (await Promise.all([services.postgres.stop(), services.redis.stop()])),
  };
}

const notOfCluster = (): never => {
  throw new Error('a cluster has its own faults');
};

/** The same with a cluster in the place of the one PostgreSQL. */
export async function startClusterStores(folder: string, say: (text: string) => void): Promise<ChaosStores> {
  const home = join(folder, 'stores');
  makeHome(home);
  const cluster = await startPatroniCluster(folder, say);
  const redis = await startRedis({ dataDir: home, say: () => {} });
  return {
    url: (store) => (store === 'redis' ? redis.url : cluster.url),
    cluster,
    query: cluster.query,
    ...{ pids: notOfCluster, end: notOfCluster, revive: notOfCluster },
    ...{ backup: notOfCluster, restoreFrom: notOfCluster, startStandby: notOfCluster },
    dispose: async () => void (await Promise.all([cluster.dispose(), redis.stop()])),
  };
}
