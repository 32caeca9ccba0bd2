// For tests only: a Postgres and a Redis that the test stops, freezes and restarts, and that no supervisor restarts.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { readState, recordProcess, sendSignal, waitForExit } from '#services/platform/local/processes.ts';
import { startRedis } from '#services/platform/local/redis.ts';
import { descendantsOf } from './alive.ts';
import { copyCluster } from './prepared-cluster.ts';

export type OwnStores = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly dataDir: string;
  /** `SIGKILL` crashes a store; `SIGINT` stops Postgres in good order, sessions or not. */
  end(store: 'postgres' | 'redis', signal: 'SIGKILL' | 'SIGINT'): Promise<void>;
  /** Starts it again on its port. */
  revive(store: 'postgres' | 'redis'): Promise<void>;
  /** Stops every process of Postgres with SIGSTOP: connections stay open, and Postgres does not answer. */
  freezePostgres(): () => void;
  freezeRedis(): () => void;
  dispose(): Promise<void>;
};

export async function startOwnStores(): Promise<OwnStores> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-stores-'));
  chmodSync(folder, 0o755);
  const dataDir = join(folder, 'data');
  const say = (): void => {};
  await copyCluster(inject('clusterDir'), dataDir);
  const [postgres, redis] = await Promise.all([startPostgres({ dataDir, say }), startRedis({ dataDir, say })]);
  const services = { postgres, redis };
  const pidOf = (store: 'postgres' | 'redis'): number => readState(join(dataDir, 'run', `${store}.json`))!.pid;
  return {
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    dataDir,
    end: async (store, signal) => {
      const server = recordProcess(pidOf(store));
      const backends = descendantsOf(server.pid).map(recordProcess);
      sendSignal(server.pid, signal);
      await waitForExit(server, 20_000);
      // Backends of a killed postmaster notice by themselves; a new one refuses to start beside them.
      if (signal === 'SIGKILL') for (const { pid } of backends) sendSignal(pid, 'SIGKILL');
      for (const backend of backends) await waitForExit(backend, 20_000);
    },
    revive: async (store) => {
      const state = await services[store].revive();
      if (state !== 'revived') throw new Error(`${store} was ${state}`);
    },
    freezePostgres: () => {
      const postmaster = pidOf('postgres');
      const frozen = [postmaster, ...descendantsOf(postmaster)];
      for (const pid of frozen) sendSignal(pid, 'SIGSTOP');
      return () => {
        for (const pid of frozen) sendSignal(pid, 'SIGCONT');
      };
    },
    freezeRedis: () => {
      const pid = pidOf('redis');
      sendSignal(pid, 'SIGSTOP');
      return () => sendSignal(pid, 'SIGCONT');
    },
    dispose: async () => {
      await Promise.all([postgres.stop(), redis.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
